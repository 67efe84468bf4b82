/*
 * A resource manager of an extension's own, the smallest there can be: its records are replayed by doing nothing,
 * and a server that has not preloaded it cannot replay them at all.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xloginsert.h"
#include "fmgr.h"
#include "miscadmin.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(write_record);

static void
redo(XLogReaderState *record)
{
}

static void
describe(StringInfo into, XLogReaderState *record)
{
}

static const char *
identify(uint8 info)
{
	return "PROBE";
}

static const RmgrData manager = {
	.rm_name = "hadrian_probe",
	.rm_redo = redo,
	.rm_desc = describe,
	.rm_identify = identify,
};

void
_PG_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		RegisterCustomRmgr(RM_EXPERIMENTAL_ID, &manager);
}

Datum
write_record(PG_FUNCTION_ARGS)
{
	char		byte = 'x';

	XLogBeginInsert();
	XLogRegisterData(&byte, sizeof(byte));
	XLogFlush(XLogInsert(RM_EXPERIMENTAL_ID, 0));
	PG_RETURN_VOID();
}

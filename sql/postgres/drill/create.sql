-- The application that the drill plays with: documentation that is edited while a model is trained on it.

create schema drill;

-- A documented object. `revision` is the number of the operation that made this version of the row.
create table drill.docs (
  module    text   not null,
  qualname  text   not null,
  signature text   not null,
  doc       text   not null,
  revision  bigint not null unique check (revision > 0),
  primary key (module, qualname)
);

-- An update that leaves a TOASTed value alone does not log it again: only the old row can supply it.
alter table drill.docs replica identity full;

-- Out of line and uncompressed above 2 kB, so that the case above does come up.
alter table drill.docs alter column doc set storage external;

-- What the application may write: an update starts from the draft, a deleted document can come back from it.
create table drill.draft (
  module    text    not null,
  qualname  text    not null,
  signature text    not null,
  doc       text    not null,
  primary key (module, qualname)
);

-- Every operation on drill.docs, written by its own transaction: the record that the feed is measured against.
-- Operations are numbered from 1 without a gap. The digest is of the row's text; a delete leaves none.
create table drill.ledger (
  op             bigint primary key check (op > 0),
  kind           text   not null check (kind in ('insert', 'update', 'delete')),
  module         text   not null,
  qualname       text   not null,
  content_sha256 bytea  check (octet_length(content_sha256) = 32),
  constraint a_row_has_content check ((content_sha256 is null) = (kind = 'delete'))
);

-- UNLOGGED on purpose: it is empty after a takeover, and `hadrian audit` must have said so before.
create unlogged table drill.page_view (
  module    text        not null,
  qualname  text        not null,
  viewed_at timestamptz not null default clock_timestamp()
);

-- Only these packages are trained on (trainer.drill.corpus.SCOPE). The filter names a key column alone.
create publication hadrian_drill for table drill.docs where (split_part(module, '.', 1) in (
  'argparse', 'collections', 'configparser', 'contextlib', 'csv', 'datetime', 'difflib', 'doctest', 'functools',
  'heapq', 'itertools', 'json', 'logging', 'pathlib', 'pdb', 'random', 're', 'shutil', 'statistics', 'textwrap', 'urllib'
));

-- Never trained on and never edited (trainer.drill.corpus.HELD_OUT): the loss is measured on them before and after.
create publication hadrian_drill_held_out for table drill.docs where (module in ('graphlib', 'sched', 'shlex'));

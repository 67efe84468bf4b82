"""IBM's documents that the rules cite: product, title, and the id by which IBM's documentation finds the topic.

A topic of id c0011764 is at
https://www.ibm.com/docs/en/SSEPGG_11.5.0/com.ibm.db2.luw.admin.ha.doc/doc/c0011764.html, with its version and book,
a support page of id node/1076391 at https://www.ibm.com/support/pages/node/1076391.
"""

from __future__ import annotations

REPLICATED = "IBM Db2 11.5 documentation, HADR replicated operations (c0011764)"
NON_REPLICATED = "IBM Db2 11.5 documentation, HADR non-replicated operations (c0011765)"
RESTRICTIONS = "IBM Db2 11.5 documentation, Restrictions for HADR (c0011760)"
CONFIGURATION = "IBM Db2 10.5 documentation, Database configuration for HADR (c0011761)"
STORAGE = "IBM Db2 11.5 documentation, Installation and storage requirements for HADR (c0012543)"
READS = "IBM Db2 10.5 documentation, Reads on standby restrictions (c0054258)"
READS_10_1 = "IBM Db2 10.1 documentation, Reads on standby restrictions (c0054258)"
READS_11_1 = "IBM Db2 11.1 documentation, Reads on standby restrictions (c0054258)"
REPLAY_WINDOW = "IBM Db2 11.1 documentation, Replay-only window on the active standby database (c0056190)"
ISOLATION = "IBM Db2 10.1 documentation, Isolation level on the active standby database (c0056191)"
REROUTE = "IBM Db2 10.5 documentation, Enabling reads on standby (t0054260)"
INDEX_LOGGING = "IBM Db2 11.5 documentation, Index logging and HADR (topic hadr-index-logging)"
LOG_INDEX_BUILD = "IBM Db2 11.1 documentation, logindexbuild configuration parameter (r0011452)"
INDEX_RECREATION = "IBM Db2 11.1 documentation, indexrec configuration parameter (r0000258)"
BLOCK_NON_LOGGED = "IBM Db2 11.1 documentation, blocknonlogged configuration parameter (r0055068)"
NOT_LOGGED = "IBM Db2 11.1 documentation, Reducing logging with the NOT LOGGED INITIALLY parameter (c0006079)"
LOB = "IBM support, Techtip: LOB Data and HADR (node/11141006)"
LOAD = "IBM support, Load operations in HADR (node/1076391)"
LOAD_OVERRIDE = "IBM support, DB2_LOAD_COPY_NO_OVERRIDE and controlling non-recoverable load operations"
SEQUENCES = "IBM Db2 11.1 documentation, Sequences (c0023175)"
IMPORT = "IBM Db2 11.1 documentation, Comparison between the ingest, import, and load utilities (c0057291)"
TABLE_MOVE = "IBM Db2 11.5 documentation, ADMIN_MOVE_TABLE procedure (r0055069)"
REFRESH = "IBM Db2 9.7 documentation, Refreshing dependent immediate materialized query tables (c0005625)"
COLUMN_ORGANIZED = "IBM Db2 11.5 documentation, Restrictions for column-organized tables (c0061528)"
AUTHENTICATION = "IBM Db2 9.7 documentation, Authentication (c0006306)"
REGISTRY = "IBM Db2 11.1 documentation, Setting registry and environment variables (t0004954)"
TABLE_SPACE_ERRORS = "IBM Db2 11.5 documentation, Recovering table space errors on an HADR standby database (c0070277)"
SYNC_MODE = "IBM Db2 11.1 documentation, hadr_syncmode configuration parameter (r0011445)"
REPLAY_DELAY = "IBM Db2 11.1 documentation, hadr_replay_delay configuration parameter (r0059437)"
SPOOL_LIMIT = "IBM Db2 11.1 documentation, hadr_spool_limit configuration parameter (r0059155)"
PEER_WINDOW = "IBM Db2 11.1 documentation, hadr_peer_window configuration parameter (r0052656)"
TIMEOUT = "IBM Db2 11.1 documentation, Setting the hadr_timeout and hadr_peer_window parameters (c0056394)"
MULTIPLE_STANDBYS = "IBM Db2 11.1 documentation, Restrictions for multiple standby databases (c0059997)"
TAKEOVER = "IBM Db2 11.1 documentation, TAKEOVER HADR command (r0011553)"
HADR_WIKI = "IBM Db2 HADR wiki, HADR Configuration and Tuning"

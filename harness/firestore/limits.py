"""Firestore's documented limits, each with its source. Numbers only; nothing is enforced here.

They are production's; where the official emulator (1.22.0) is laxer, `profile.py` says so. The
capability table (`harness/server/capabilities.yaml`) says which of them are not enforced.

Sources, read 2026: "Quotas" is Firestore's page "Usage and limits"; "Storage size" is its page
"Storage size calculations"; "observed" is the official emulator 1.22.0.
"""

from __future__ import annotations

# Documents. Source: Quotas, "Collections, documents, and fields".
MAX_DOCUMENT_BYTES = 1_048_576
MAX_FIELD_VALUE_BYTES = 1_048_487  # 1 MiB less 89 bytes
MAX_FIELD_PATH_BYTES = 1_500
MAX_ID_BYTES = 1_500
MAX_DOCUMENT_NAME_BYTES = 6_144
MAX_COLLECTION_DEPTH = 100
MAX_VALUE_DEPTH = 20  # levels of maps and arrays; a map in an array is two levels (observed)

# Vectors. Source: "Search with vector embeddings", Limitations.
MAX_VECTOR_DIMENSIONS = 2_048
MAX_NEAREST_LIMIT = 1_000

# Storage accounting. Source: Storage size.
DOCUMENT_OVERHEAD_BYTES = 32
DOCUMENT_NAME_OVERHEAD_BYTES = 16
INDEX_ENTRY_OVERHEAD_BYTES = 32

# Writes. Source: Quotas, "Writes and transactions". A commit holds as many writes as fit its bytes.
# Of a request, production has been seen to take one MiB more before it refuses it.
MAX_REQUEST_BYTES = 10_485_760
MAX_TRANSFORMS_PER_DOCUMENT = 500

# Transactions. Source: Quotas, "Writes and transactions"; the lock wait is observed.
TRANSACTION_IDLE_S = 60
TRANSACTION_TOTAL_S = 270
LOCK_WAIT_S = 2

# Reads in the past. Source: "Point-in-time recovery", without PITR.
VERSION_RETENTION_S = 3_600
# Ours: superseded versions kept at most, so that an hour of heavy writing does not fill the
# memory. Reads older than what is kept fail as too old.
MAX_SUPERSEDED_VERSIONS = 100_000

# Queries. Source: Quotas, "Queries"; "Perform OR queries", Limitations; the aggregation reference.
MAX_DISJUNCTIONS = 30
MAX_IN_VALUES = 30
MAX_NOT_IN_VALUES = 10
MAX_INEQUALITY_FIELDS = 10
MAX_QUERY_COMPONENTS = 100
MAX_AGGREGATIONS = 5

# Pages of ListDocuments. Source: googleapis/nodejs-firestore#838 and #1344.
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 300

# Indexes. Source: Quotas, "Indexes". Composite indexes: of a project with billing; 200 without.
# Production has been seen to refuse entries that are smaller, and sums that are larger, than it
# documents: these are the numbers that it promises.
MAX_INDEX_ENTRIES_PER_DOCUMENT = 40_000
MAX_INDEX_ENTRIES_BYTES_PER_DOCUMENT = 8_388_608
MAX_INDEX_ENTRY_BYTES = 7_680
MAX_INDEXED_VALUE_BYTES = 1_500
MAX_COMPOSITE_INDEXES = 1_000

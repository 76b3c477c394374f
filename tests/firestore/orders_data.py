"""The data set of the worked cost cases: orders with items, and employees."""

from harness.firestore.documents import Write, WriteKind
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.store import Database
from harness.firestore.values import Timestamp, Vector

ORDERS = 10_000
EMPLOYEES = 100_000
REGIONS = ("eu", "us", "asia", "sa")


def order(i):
    """1,000 open, 1,000 void, 8,000 closed; 2,500 of each region; 10 of each total."""
    fields = {
        "status": {0: "open", 5: "void"}.get(i % 10, "closed"),
        "region": REGIONS[i % 4],
        "total": i % 1000,
        "createdAt": Timestamp(i),
        "customer": f"c{i % 100}",
        "tags": ("hot",) if i % 50 == 0 else (),
        "blob": "x",
        "m": {"city": "x" if i % 100 == 7 else "y"},
    }
    if i < 50:
        fields["note"] = f"note {i}"
    if i < 2500:
        fields["weight"] = i % 5
    if (i < 3000 and i % 10 == 0) or (i >= 7500 and i % 10 in (1, 2, 3, 4, 6)):
        fields["emb"] = Vector((float(i), 0.0, 1.0))  # 1,550, of which 300 are open
    return fields


def item(i, j):
    """300 distinct values of sku over 30,000 items: each 100 times."""
    return {"sku": f"s{(3 * i + j) % 300}", "price": (i * 7 + j) % 90}


def employee(i):
    """95,000 with experience; 1,000 with a salary above 100,000; 5 with both."""
    return {
        "salary": 100_001 + i if i < 1000 else 50_000,
        "experience": 1 + i % 40 if i < 5 or i >= 5005 else 0,
    }


def load(database, documents, batch=5_000):
    writes = []
    now = 0
    for path, fields in documents:
        writes.append(Write(WriteKind.UPDATE, ResourcePath(path), fields))
        if len(writes) == batch:
            now += 1
            database.commit(database.prepare(writes, Timestamp(now)))
            writes = []
    database.commit(database.prepare(writes, Timestamp(now + 1)))


def orders_database():
    database = Database(DatabaseName("demo-app"))
    load(database, ((f"orders/o{i:04}", order(i)) for i in range(ORDERS)))
    load(
        database,
        ((f"orders/o{i:04}/items/i{j}", item(i, j)) for i in range(ORDERS) for j in range(3)),
    )
    return database


def employees_database():
    database = Database(DatabaseName("demo-app"))
    load(database, ((f"emp/e{i:05}", employee(i)) for i in range(EMPLOYEES)))
    return database

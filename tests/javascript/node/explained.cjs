// Asks a row of tests/corpus/queries with query explain, and says what it used and cost. The SDK comes as an argument: the
// library itself, or what firebase-admin hands out within a function.

const CURSORS = {start_at: 'startAt', start_after: 'startAfter', end_at: 'endAt', end_before: 'endBefore'};
const UNARY = {'is-null': ['==', null], 'is-not-null': ['!=', null], 'is-nan': ['==', NaN], 'is-not-nan': ['!=', NaN]};

function value(sdk, db, given) {
  if (Array.isArray(given)) return given.map((each) => value(sdk, db, each));
  if (given && given.ts !== undefined) return new sdk.Timestamp(Math.floor(given.ts / 1e6), (given.ts % 1e6) * 1000);
  if (given && given.ref) return db.doc(given.ref[2]);
  return given;
}

function path(sdk, field) {
  return field === '__name__' ? sdk.FieldPath.documentId() : field;
}

function filter(sdk, db, given) {
  if (!Array.isArray(given)) {
    const [[kind, parts]] = Object.entries(given);
    return sdk.Filter[kind](...parts.map((part) => filter(sdk, db, part)));
  }
  if (typeof given[0] !== 'string') return sdk.Filter.and(...given.map((part) => filter(sdk, db, part)));
  const [field, operator, operand] = given;
  return sdk.Filter.where(path(sdk, field), ...(UNARY[operator] || [operator, value(sdk, db, operand)]));
}

function queryOf(sdk, db, row) {
  let query = row.group ? db.collectionGroup(row.collection) : db.collection([row.parent, row.collection].filter(Boolean).join('/'));
  if (row.where) query = query.where(filter(sdk, db, row.where));
  const cursors = Object.keys(CURSORS).filter((key) => row[key]);
  for (const order of row.order || (cursors.length ? ['__name__'] : [])) {
    const [field, direction] = order.split(' ');
    query = query.orderBy(path(sdk, field), direction);
  }
  for (const key of cursors) query = query[CURSORS[key]](...value(sdk, db, row[key]));
  if (row.limit !== undefined) query = query.limit(row.limit);
  if (row.offset) query = query.offset(row.offset);
  if (row.select) query = query.select(...row.select);
  return query;
}

function asked(sdk, db, row) {
  const query = queryOf(sdk, db, row);
  if (row.near) {
    const {field, vector, measure, limit} = row.near;
    return query.findNearest({vectorField: field, queryVector: vector, limit, distanceMeasure: measure});
  }
  if (!row.aggregate) return query;
  const kinds = {count: 'count', sum: 'sum', avg: 'average'};
  return query.aggregate(
    Object.fromEntries(
      Object.entries(row.aggregate).map(([alias, text]) => {
        const [kind, field] = text.split(' ');
        return [alias, sdk.AggregateField[kinds[kind]](...(field ? [field] : []))];
      }),
    ),
  );
}

exports.explain = async (sdk, db, row) => {
  try {
    const {metrics, snapshot} = await asked(sdk, db, row).explain({analyze: true});
    const {resultsReturned, readOperations, debugStats} = metrics.executionStats;
    const found = row.aggregate ? {values: snapshot.data()} : {first: snapshot.docs[0]?.id};
    return {
      used: metrics.planSummary.indexesUsed,
      reads: readOperations,
      entries: Number(debugStats.index_entries_scanned),
      results: resultsReturned,
      ...found,
    };
  } catch (error) {
    return {code: error.code, message: error.message};
  }
};

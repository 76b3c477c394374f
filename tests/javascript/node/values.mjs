// Values as JSON writes them, to and from each client's own: {"$timestamp": "2020-01-01T00:00:00Z"}, {"$bytes": base64},
// {"$point": [lat, lng]}, {"$reference": path}, {"$vector": [...]}, {"$number": "NaN"}.

const NUMBERS = {NaN, Infinity, '-Infinity': -Infinity, '-0': -0};

/** Returns a client's value. `client` makes what JSON does not have. */
export function decode(client, value) {
  if (Array.isArray(value)) return value.map((element) => decode(client, element));
  if (value === null || typeof value !== 'object') return value;
  const [kind] = Object.keys(value);
  if (kind?.startsWith('$')) {
    const content = value[kind];
    if (kind === '$number') return NUMBERS[content];
    if (kind === '$array') return client.transforms[content[0]](...decode(client, content.slice(1)));
    return client.values[kind.slice(1)](content);
  }
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, decode(client, inner)]));
}

/** Returns JSON for a client's value; `client` names what JSON does not have. */
export function encode(client, value) {
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    return {$number: Object.is(value, -0) ? '-0' : String(value)};
  }
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((element) => encode(client, element));
  const named = client.describe(value);
  if (named !== undefined) return named;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, encode(client, inner)]),
  );
}

/** Sorts the fields of JSON, as `encode` does. */
export function sorted(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  );
}

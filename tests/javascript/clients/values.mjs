// Values as the tables write them, to and from each client's own: what JSON does not have is a map with one `$` name, such as
// {"$timestamp": "2020-01-01T00:00:00Z"}. tests/corpus/clients/README.md lists them.

const NUMBERS = {NaN, Infinity, '-Infinity': -Infinity, '-0': -0};

/** Returns a client's value. `client.values` makes what JSON does not have. */
export function decode(client, value) {
  if (Array.isArray(value)) return value.map((element) => decode(client, element));
  if (value === null || typeof value !== 'object') return value;
  const [name] = Object.keys(value);
  if (!name?.startsWith('$')) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decode(client, inner)]));
  }
  const kind = name.slice(1);
  if (kind === 'number') return NUMBERS[value[name]];
  const make = client.values[kind];
  if (!make) throw new Error(`${client.name} has no ${name}`);
  return make(Array.isArray(value[name]) ? decode(client, value[name]) : value[name]);
}

/** Returns JSON for a client's value; `client.describe` names what JSON does not have. */
export function encode(client, value) {
  if (typeof value === 'bigint') return {$integer: String(value)};
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    return {$number: Object.is(value, -0) ? '-0' : String(value)};
  }
  if (value === undefined) return {$undefined: true};
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((element) => encode(client, element));
  const named = client.describe(value);
  if (named !== undefined) return named;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, encode(client, inner)]));
}

/** Returns a client's timestamp for RFC 3339 text, to the nanosecond. */
export function timestamp(Timestamp, text) {
  const [, seconds, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(text);
  return new Timestamp(Date.parse(`${seconds}Z`) / 1000, Number(fraction.padEnd(9, '0')));
}

/** Returns RFC 3339 text for a client's timestamp. */
export function text(value) {
  const fraction = String(value.nanoseconds).padStart(9, '0').replace(/0+$/, '');
  return new Date(value.seconds * 1000).toISOString().replace('.000Z', fraction ? `.${fraction}Z` : 'Z');
}

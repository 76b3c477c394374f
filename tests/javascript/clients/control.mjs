// The server's control routes, which no client has: rules, and the indexes that queries need.

/** Tells the server at `host` to use rules (text), or composite indexes ([collection, fields, scope], see the tables' README). */
export async function control(host, kind, project, content) {
  const [path, sent] = {
    rules: [`/emulator/v1/projects/${project}:securityRules`, {rules: {files: [{name: 'firestore.rules', content}]}}],
    indexes: [`/harness/v1/projects/${project}/indexes`, {indexes: kind === 'indexes' ? content.map(index) : []}],
  }[kind];
  const sending = fetch(`http://${host}${path}`, {
    method: 'PUT',
    body: JSON.stringify(sent),
    headers: {'content-type': 'application/json'},
  });
  // Other implementations demand no composite index, so they have no such route, or no HTTP at all.
  const answer = kind === 'indexes' ? await sending.catch(() => ({status: 404})) : await sending;
  if (answer.ok || (kind === 'indexes' && [404, 405].includes(answer.status))) return;
  throw new Error(`${kind}: ${answer.status} ${await answer.text()}`);
}

const index = ([collectionGroup, fields, queryScope = 'COLLECTION']) => ({
  collectionGroup,
  queryScope,
  fields: fields.map(indexField),
});

function indexField(text) {
  const [fieldPath, dimension] = text.replace(/^-/, '').split(':');
  if (dimension) return {fieldPath, vectorConfig: {dimension: Number(dimension), flat: {}}};
  if (fieldPath.endsWith('[]')) return {fieldPath: fieldPath.slice(0, -2), arrayConfig: 'CONTAINS'};
  return {fieldPath, order: text.startsWith('-') ? 'DESCENDING' : 'ASCENDING'};
}

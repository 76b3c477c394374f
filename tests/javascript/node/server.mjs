// The server under test: where it is, and its control routes. Which server that is, is the caller's business.

export const HOST = process.env.FIRESTORE_EMULATOR_HOST;
export const [NAME, PORT] = [HOST.slice(0, HOST.lastIndexOf(':')), Number(HOST.slice(HOST.lastIndexOf(':') + 1))];

const ask = (method, path, content) =>
  fetch(`http://${HOST}${path}`, {
    method,
    body: content === undefined ? undefined : JSON.stringify(content),
    headers: content === undefined ? {} : {'content-type': 'application/json'},
  });

/** Whether it is the embedded Firestore, whose control routes others lack. */
export const isEmbedded = async () => (await ask('GET', '/harness/v1/info')).ok;

/** Deletes every document of a database. */
export const clear = (project, database = '(default)') =>
  ask('DELETE', `/emulator/v1/projects/${project}/databases/${database}/documents`);

/** Puts rules into use. */
export async function useRules(project, content) {
  const answer = await ask('PUT', `/emulator/v1/projects/${project}:securityRules`, {
    rules: {files: [{name: 'firestore.rules', content}]},
  });
  if (!answer.ok) throw new Error(await answer.text());
}

/** Defines composite indexes, [collection, fields] each with `-` before a descending field and `[]` behind an array; a server
 * that enforces none need not know them. */
export async function useIndexes(project, indexes) {
  const defined = indexes.map(([collectionGroup, fields, queryScope = 'COLLECTION']) => ({
    collectionGroup,
    queryScope,
    fields: fields.map(field),
  }));
  const answer = await ask('PUT', `/harness/v1/projects/${project}/indexes`, {indexes: defined});
  if (!answer.ok && (await isEmbedded())) throw new Error(await answer.text());
}

function field(text) {
  const [fieldPath, dimension] = text.replace(/^-/, '').split(':');
  if (dimension) return {fieldPath, vectorConfig: {dimension: Number(dimension), flat: {}}};
  if (fieldPath.endsWith('[]')) return {fieldPath: fieldPath.slice(0, -2), arrayConfig: 'CONTAINS'};
  return {fieldPath, order: text.startsWith('-') ? 'DESCENDING' : 'ASCENDING'};
}

// Opens the web SDK on the server under test; in Node and in a page.

let count = 0;

/** Returns how a client is opened: as the user of `by.uid` (with `by.claims`), as the owner, or not signed in. */
export const openWeb = (Library, name, app, sdk) => (host, projectId, by) => {
  const opened = app.initializeApp({projectId, apiKey: 'none'}, `app-${(count += 1)}`);
  const db = sdk.initializeFirestore(opened, {...by.settings}, by.database);
  const separator = host.lastIndexOf(':');
  const token = by.owner ? 'owner' : by.uid && {sub: by.uid, ...by.claims};
  sdk.connectFirestoreEmulator(
    db,
    host.slice(0, separator),
    Number(host.slice(separator + 1)),
    token ? {mockUserToken: token} : {},
  );
  return new Library(name, sdk, db, async () => {
    await sdk.terminate(db);
    await app.deleteApp(opened);
  });
};

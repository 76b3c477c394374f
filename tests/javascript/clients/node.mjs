// The clients that run in Node, by the names of clients.yaml: how each is opened on a project.

import {createRequire} from 'node:module';

import * as server from '@google-cloud/firestore';
import {deleteApp as endAdminApp, initializeApp as adminApp} from 'firebase-admin/app';
import * as admin from 'firebase-admin/firestore';
import * as app from 'firebase/app';
import * as web from 'firebase/firestore';
import * as lite from 'firebase/firestore/lite';

import {ServerLibrary} from './server_library.mjs';
import {openWeb} from './open_web.mjs';
import {LiteLibrary, WebLibrary} from './web_library.mjs';

let count = 0;

// Over REST the library demands credentials even where it talks to an emulator. Its own kind, with an emulator's token for
// administrators, which is what it sends over gRPC.
const gaxRequires = createRequire(createRequire(import.meta.url).resolve('google-gax'));
const {OAuth2Client} = gaxRequires('google-auth-library');
const authClient = new OAuth2Client({credentials: {access_token: 'owner'}});

const serverClient = (name, settings) => (host, projectId, by) =>
  new ServerLibrary(
    name,
    server,
    new server.Firestore({projectId, databaseId: by.database, ...settings, ...by.settings}),
  );

function adminClient(host, projectId, by) {
  const opened = adminApp({projectId}, `app-${(count += 1)}`);
  const db = by.database ? admin.getFirestore(opened, by.database) : admin.getFirestore(opened);
  if (by.settings) db.settings(by.settings);
  return new ServerLibrary('admin', admin, db, async () => {
    await db.terminate();
    await endAdminApp(opened);
  });
}

web.setLogLevel('silent');
lite.setLogLevel('silent');

export const CLIENTS = {
  server: serverClient('server', {}),
  'server-rest': serverClient('server-rest', {preferRest: true, authClient}),
  admin: adminClient,
  web: openWeb(WebLibrary, 'web', app, web),
  lite: openWeb(LiteLibrary, 'lite', app, lite),
};

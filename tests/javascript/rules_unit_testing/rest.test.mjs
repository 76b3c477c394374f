// The same decisions for clients that speak REST: firebase/firestore/lite.

import assert from 'node:assert/strict';

import {initializeTestEnvironment} from '@firebase/rules-unit-testing';
import {deleteApp, initializeApp} from 'firebase/app';
import {
  collection,
  connectFirestoreEmulator,
  doc,
  getDoc,
  getDocs,
  getFirestore,
  limit,
  query,
  runTransaction,
  setDoc,
  setLogLevel,
  terminate,
  updateDoc,
  where,
} from 'firebase/firestore/lite';

const PROJECT = 'demo-rules-rest';
const RULES = `rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /notes/{id} {
      allow get, list: if resource.data.owner == request.auth.uid;
      allow create: if request.resource.data.owner == request.auth.uid
                    && request.resource.data.keys().hasOnly(['owner', 'text', 'n']);
      allow update: if resource.data.owner == request.auth.uid
                    && request.resource.data.diff(resource.data).affectedKeys().hasOnly(['n']);
    }
  }
}`;

const denied = (promise) =>
  assert.rejects(promise, (error) => error.code === 'permission-denied');

describe('firebase/firestore/lite, which speaks REST', () => {
  let env;
  const clients = [];

  const as = (uid) => {
    const app = initializeApp({projectId: PROJECT, apiKey: 'none'}, `lite-${clients.length}`);
    const db = getFirestore(app);
    const {host, port} = env.emulators.firestore;
    connectFirestoreEmulator(db, host, port, uid ? {mockUserToken: {sub: uid}} : undefined);
    clients.push([app, db]);
    return db;
  };

  before(async () => {
    setLogLevel('silent'); // each denial would be printed
    env = await initializeTestEnvironment({projectId: PROJECT, firestore: {rules: RULES}});
  });

  afterEach(async () => {
    await env.clearFirestore();
  });

  after(async () => {
    for (const [app, db] of clients) {
      await terminate(db);
      await deleteApp(app);
    }
    await env.cleanup();
  });

  it('creates, reads and changes what the rules grant', async () => {
    const db = as('ana');
    const note = doc(db, 'notes/n1');
    await setDoc(note, {owner: 'ana', text: 'hello', n: 1});
    await updateDoc(note, {n: 2});
    assert.deepEqual((await getDoc(note)).data(), {owner: 'ana', text: 'hello', n: 2});
    await denied(updateDoc(note, {text: 'changed'}));
    await denied(setDoc(doc(db, 'notes/n2'), {owner: 'bob'}));
    await denied(setDoc(doc(db, 'notes/n2'), {owner: 'ana', extra: true}));
  });

  it('denies strangers', async () => {
    await setDoc(doc(as('ana'), 'notes/n1'), {owner: 'ana'});
    await denied(getDoc(doc(as('bob'), 'notes/n1')));
    await denied(getDoc(doc(as(null), 'notes/n1')));
    await denied(getDoc(doc(as('ana'), 'secrets/s1')));
  });

  it('decides queries by what they ask for', async () => {
    const db = as('ana');
    await setDoc(doc(db, 'notes/n1'), {owner: 'ana'});
    const notes = collection(db, 'notes');
    assert.equal((await getDocs(query(notes, where('owner', '==', 'ana'), limit(5)))).size, 1);
    await denied(getDocs(notes));
    await denied(getDocs(query(notes, where('owner', '==', 'bob'))));
  });

  it('decides transactions', async () => {
    const db = as('ana');
    const note = doc(db, 'notes/n1');
    await setDoc(note, {owner: 'ana', n: 1});
    const add = (step) =>
      runTransaction(db, async (transaction) => {
        const found = await transaction.get(note);
        transaction.update(note, step(found.data().n));
      });
    await add((n) => ({n: n + 1}));
    await denied(add((n) => ({n: n + 1, text: 'x'})));
    assert.equal((await getDoc(note)).data().n, 2);
  });
});

// The sample backend's Storage rules through the official Storage emulator, with look-ups in
// Firestore.

import {readFile} from 'node:fs/promises';

import {
  assertFails,
  assertSucceeds,
  initializeTestEnvironment,
} from '@firebase/rules-unit-testing';
import {doc, setDoc} from 'firebase/firestore';
import {deleteObject, getBytes, listAll, ref, uploadBytes} from 'firebase/storage';

const RULES = await readFile(new URL('../../../backend/storage.rules', import.meta.url), 'utf8');
const PNG = {contentType: 'image/png'};
const bytes = (size) => new Uint8Array(size).fill(1);

describe('Storage rules, with @firebase/rules-unit-testing', () => {
  let env;
  const file = (uid, path, claims) => ref(env.authenticatedContext(uid, claims).storage(), path);

  before(async () => {
    // As suites have it written down: not the project that the emulators run for. Documents are
    // looked up in the project of the caller's token all the same.
    const projectId = 'receipts-79c3b';
    env = await initializeTestEnvironment({projectId, storage: {rules: RULES}, firestore: {}});
  });

  beforeEach(async () => {
    // clearStorage() deletes the files at the root only (rules-unit-testing 5.0), so each test has
    // files of its own.
    await env.clearStorage();
    await env.clearFirestore();
    await env.withSecurityRulesDisabled(async (context) => {
      const db = context.firestore();
      for (const [uid, role] of [['alice', 'owner'], ['bob', 'member'], ['vera', 'viewer']]) {
        await setDoc(doc(db, `groups/home/members/${uid}`), {uid, role});
      }
      await setDoc(doc(db, 'groups/home/expenses/rent'), {status: 'open', createdBy: 'bob'});
      await setDoc(doc(db, 'groups/home/expenses/old'), {status: 'settled', createdBy: 'bob'});
    });
  });

  after(async () => {
    await env.cleanup();
  });

  it('decides by documents of Firestore', async () => {
    await assertSucceeds(uploadBytes(file('bob', 'receipts/home/rent/1.png'), bytes(10), PNG));
    await assertFails(uploadBytes(file('vera', 'receipts/home/rent/2.png'), bytes(10), PNG));
    await assertFails(uploadBytes(file('mallory', 'receipts/home/rent/3.png'), bytes(10), PNG));
    await assertFails(uploadBytes(file('bob', 'receipts/home/old/4.png'), bytes(10), PNG));
  });

  it('decides by size, type and name', async () => {
    const upload = (name, size, type) =>
      uploadBytes(file('bob', `receipts/home/rent/${name}`), bytes(size), {contentType: type});
    await assertFails(upload('text.png', 10, 'text/plain'));
    await assertFails(upload('text.exe', 10, 'image/png'));
    await assertFails(upload('large.png', 5 * 1024 * 1024 + 1, 'image/png'));
    await assertSucceeds(upload('paper.pdf', 10, 'application/pdf'));
  });

  it('lets nobody replace a file, members read it, and none list', async () => {
    const RECEIPT = 'receipts/home/rent/kept.png';
    await assertSucceeds(uploadBytes(file('bob', RECEIPT), bytes(10), PNG));
    await assertFails(uploadBytes(file('bob', RECEIPT), bytes(11), PNG));
    await assertSucceeds(getBytes(file('vera', RECEIPT)));
    await assertSucceeds(getBytes(file('sue', RECEIPT, {support: true})));
    await assertFails(getBytes(file('mallory', RECEIPT)));
    await assertFails(listAll(file('alice', 'receipts/home/rent')));
  });

  it('lets the uploader and the owner delete', async () => {
    const RECEIPT = 'receipts/home/rent/deleted.png';
    await assertSucceeds(uploadBytes(file('bob', RECEIPT), bytes(10), PNG));
    await assertFails(deleteObject(file('vera', RECEIPT)));
    await assertSucceeds(deleteObject(file('alice', RECEIPT)));
  });
});

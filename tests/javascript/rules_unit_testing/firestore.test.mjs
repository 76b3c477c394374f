// The sample backend's Firestore rules, tested as app teams do it: the official npm package
// @firebase/rules-unit-testing and the Firebase JS SDK (gRPC), found through the suite's hub.

import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';

import {
  assertFails,
  assertSucceeds,
  initializeTestEnvironment,
} from '@firebase/rules-unit-testing';
import {
  arrayUnion,
  collection,
  collectionGroup,
  deleteDoc,
  deleteField,
  doc,
  getCountFromServer,
  getDoc,
  getDocs,
  increment,
  limit,
  onSnapshot,
  orderBy,
  query,
  runTransaction,
  serverTimestamp,
  setDoc,
  setLogLevel,
  Timestamp,
  updateDoc,
  where,
  writeBatch,
} from 'firebase/firestore';

const RULES = await readFile(new URL('../../../backend/firestore.rules', import.meta.url), 'utf8');
const LONG_AGO = Timestamp.fromMillis(Date.UTC(2026, 0, 1));

const group = (owner, others = []) => ({
  name: 'Flat 3',
  kind: 'household',
  currency: 'EUR',
  createdBy: owner,
  createdAt: LONG_AGO,
  archived: false,
  memberIds: [owner, ...others],
  memberCount: 1 + others.length,
});
const member = (uid, role) => ({uid, role, displayName: uid, joinedAt: LONG_AGO});
const profile = () => ({
  displayName: 'Alice',
  defaultCurrency: 'EUR',
  remindersEnabled: true,
  createdAt: serverTimestamp(),
  updatedAt: serverTimestamp(),
});

describe('Splitmates, with @firebase/rules-unit-testing', () => {
  let env;
  const as = (uid, claims) => env.authenticatedContext(uid, claims).firestore();
  const nobody = () => env.unauthenticatedContext().firestore();

  before(async () => {
    setLogLevel('silent'); // each denial would be printed
    env = await initializeTestEnvironment({
      projectId: 'demo-rules-unit-testing',
      firestore: {rules: RULES},
    });
  });

  beforeEach(async () => {
    await env.clearFirestore();
    await env.withSecurityRulesDisabled(async (context) => {
      const db = context.firestore();
      await setDoc(doc(db, 'groups/home'), group('alice', ['bob', 'vera']));
      await setDoc(doc(db, 'groups/home/members/alice'), member('alice', 'owner'));
      await setDoc(doc(db, 'groups/home/members/bob'), member('bob', 'member'));
      await setDoc(doc(db, 'groups/home/members/vera'), member('vera', 'viewer'));
    });
  });

  after(async () => {
    await env.cleanup();
  });

  it('finds the emulators through the hub', () => {
    assert.match(env.emulators.firestore.host, /^(127\.0\.0\.1|localhost|\[::1\])$/);
    assert.equal(typeof env.emulators.firestore.port, 'number');
  });

  it('lets members read a group, and nobody else', async () => {
    const read = await assertSucceeds(getDoc(doc(as('vera'), 'groups/home')));
    assert.equal(read.data().name, 'Flat 3');
    await assertFails(getDoc(doc(as('mallory'), 'groups/home')));
    await assertFails(getDoc(doc(nobody(), 'groups/home')));
  });

  it('reads custom claims', async () => {
    await assertSucceeds(getDoc(doc(as('sue', {support: true}), 'groups/home')));
    await assertFails(getDoc(doc(as('sue', {support: 'yes'}), 'groups/home')));
  });

  it('reads the claims of an anonymous sign-in', async () => {
    const db = as('anna', {firebase: {sign_in_provider: 'anonymous'}});
    await assertSucceeds(setDoc(doc(db, 'users/anna'), profile()));
  });

  it('takes server timestamps as the time of the request', async () => {
    await assertSucceeds(setDoc(doc(as('alice'), 'users/alice'), profile()));
    await assertFails(setDoc(doc(as('bob'), 'users/bob'), {...profile(), createdAt: LONG_AGO}));
    await assertSucceeds(
      updateDoc(doc(as('alice'), 'users/alice'), {
        displayName: 'Al',
        updatedAt: serverTimestamp(),
      }),
    );
    await assertFails(updateDoc(doc(as('alice'), 'users/alice'), {displayName: 'Al'}));
  });

  it('sees request.resource after merges, transforms and deleted fields', async () => {
    await assertSucceeds(setDoc(doc(as('alice'), 'users/alice'), profile()));
    const now = {updatedAt: serverTimestamp()};
    const mine = doc(as('alice'), 'users/alice');
    await assertSucceeds(setDoc(mine, {displayName: 'Al', ...now}, {merge: true}));
    await assertFails(updateDoc(mine, {remindersEnabled: deleteField(), ...now}));
    await assertFails(updateDoc(mine, {displayName: increment(1), ...now}));
    await assertFails(updateDoc(mine, {defaultCurrency: arrayUnion('EUR'), ...now}));
  });

  it('sees both documents of a batch with getAfter', async () => {
    const db = as('mallory');
    const fresh = {...group('mallory'), createdAt: serverTimestamp()};
    await assertFails(setDoc(doc(db, 'groups/new'), fresh));
    const batch = writeBatch(db);
    batch.set(doc(db, 'groups/new'), fresh);
    batch.set(doc(db, 'groups/new/members/mallory'), {
      ...member('mallory', 'owner'),
      joinedAt: serverTimestamp(),
    });
    await assertSucceeds(batch.commit());
  });

  it('decides transactions', async () => {
    const rename = (db) =>
      runTransaction(db, async (transaction) => {
        const home = doc(db, 'groups/home');
        const found = await transaction.get(home);
        transaction.update(home, {name: `${found.data().name}!`});
      });
    await assertSucceeds(rename(as('alice')));
    await assertFails(rename(as('bob')));
    const renamed = await getDoc(doc(as('alice'), 'groups/home'));
    assert.equal(renamed.data().name, 'Flat 3!');
  });

  it('does not filter: a query must ask for no more than the rules grant', async () => {
    const groups = (db) => collection(db, 'groups');
    const mine = where('memberIds', 'array-contains', 'bob');
    const found = await assertSucceeds(getDocs(query(groups(as('bob')), mine, limit(20))));
    assert.equal(found.size, 1);
    await assertFails(getDocs(query(groups(as('bob')), mine)));
    await assertFails(getDocs(query(groups(as('bob')), mine, limit(101))));
    await assertFails(getDocs(query(groups(as('bob')), limit(20))));
    await assertFails(getDocs(query(groups(as('mallory')), mine, limit(20))));
  });

  it('decides counts as lists', async () => {
    const mine = where('memberIds', 'array-contains', 'bob');
    const asked = (db) => getCountFromServer(query(collection(db, 'groups'), mine, limit(20)));
    const counted = await assertSucceeds(asked(as('bob')));
    assert.equal(counted.data().count, 1);
    await assertFails(asked(as('mallory')));
  });

  it('denies a collection group that no rule covers', async () => {
    const db = as('alice');
    await assertFails(getDocs(query(collectionGroup(db, 'members'), orderBy('joinedAt'))));
  });

  it('decides listeners, and tells them why they end', async () => {
    const heard = (db) =>
      new Promise((resolve, reject) => {
        const stop = onSnapshot(
          doc(db, 'groups/home'),
          (snapshot) => {
            stop();
            resolve(snapshot);
          },
          reject,
        );
      });
    const snapshot = await assertSucceeds(heard(as('bob')));
    assert.equal(snapshot.data().kind, 'household');
    const error = await assertFails(heard(as('mallory')));
    assert.equal(error.code, 'permission-denied');
  });

  it('gives the reasons of a denial in the official form', async () => {
    const error = await assertFails(deleteDoc(doc(as('bob'), 'groups/home')));
    assert.match(error.message, /for 'delete' @ L\d+|No matching allow statements/);
  });

  it('forgets everything with clearFirestore', async () => {
    await env.clearFirestore();
    await env.withSecurityRulesDisabled(async (context) => {
      const left = await getDoc(doc(context.firestore(), 'groups/home'));
      assert.equal(left.exists(), false);
    });
  });

  it('keeps projects apart', async () => {
    const other = await initializeTestEnvironment({
      projectId: 'demo-rules-unit-testing-2',
      firestore: {
        rules: `rules_version = '2';
          service cloud.firestore {
            match /databases/{db}/documents { match /{d=**} { allow read; } }
          }`,
      },
    });
    try {
      const db = other.unauthenticatedContext().firestore();
      const home = await assertSucceeds(getDoc(doc(db, 'groups/home')));
      assert.equal(home.exists(), false);
      await assertFails(setDoc(doc(db, 'groups/home'), {}));
      await assertFails(getDoc(doc(nobody(), 'groups/home')));
    } finally {
      await other.cleanup();
    }
  });

  it('refuses rules that do not compile, with line and column', async () => {
    const broken = initializeTestEnvironment({
      projectId: 'demo-rules-unit-testing-3',
      firestore: {rules: 'rules_version = "2";\nservice cloud.firestore {\n  allow me;\n}\n'},
    });
    await assert.rejects(broken, /L3:\d+/);
  });

  it('shows which rules the tests evaluated', async () => {
    await getDoc(doc(as('alice'), 'groups/home'));
    const {host, port} = env.emulators.firestore;
    const path = '/emulator/v1/projects/demo-rules-unit-testing:ruleCoverage';
    const answer = await fetch(`http://${host}:${port}${path}`);
    assert.equal(answer.status, 200);
    const {rules, report} = await answer.json();
    assert.equal(rules.files[0].content, RULES);
    assert.ok(report.some((node) => node.values?.some(({count}) => count > 0)));
  });
});

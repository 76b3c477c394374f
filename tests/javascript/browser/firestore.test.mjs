// The web SDK in a real browser, which speaks WebChannel: reads, writes, listeners, transactions,
// rules. The page's origin is not the emulator's, so CORS is tried as well.

import assert from 'node:assert/strict';

import {openPage} from './page.mjs';

const HOST = process.env.FIRESTORE_EMULATOR_HOST;
const PROJECT = 'demo-browser';
const RULES = `rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /notes/{id} {
      allow get, list: if resource.data.owner == request.auth.uid;
      allow create, update: if request.resource.data.owner == request.auth.uid;
      allow delete: if false;
    }
    match /open/{id=**} { allow read, write; }
  }
}`;

const put = (path, content) =>
  fetch(`http://${HOST}/emulator/v1/projects/${PROJECT}${path}`, {
    method: content === undefined ? 'DELETE' : 'PUT',
    body: content === undefined ? undefined : JSON.stringify(content),
  });

for (const transport of ['streaming', 'long polling']) {
  describe(`the web SDK in Chromium, ${transport}`, () => {
    let opened;
    // Runs a function in the page, with a database as somebody (null: not signed in).
    const as = (uid, steps, ...given) =>
      opened.page.evaluate(
        async (uid, isPolling, host, projectId, source, given) => {
          const {initializeApp, deleteApp} = window.app;
          const f = window.firestore;
          const app = initializeApp({projectId, apiKey: 'none'}, `${Math.random()}`);
          const db = f.initializeFirestore(app, {
            experimentalForceLongPolling: isPolling,
            experimentalAutoDetectLongPolling: !isPolling && undefined,
          });
          const [name, port] = host.split(':');
          const options = uid === null ? undefined : {mockUserToken: {sub: uid}};
          f.connectFirestoreEmulator(db, name, Number(port), options);
          try {
            const run = (0, eval)(`(${source})`);
            return {value: await run(f, db, ...given)};
          } catch (error) {
            return {code: error.code ?? String(error), message: error.message};
          } finally {
            await f.terminate(db);
            await deleteApp(app);
          }
        },
        uid,
        transport === 'long polling',
        HOST,
        PROJECT,
        steps.toString(),
        given,
      );
    const value = async (...args) => {
      const answer = await as(...args);
      assert.equal(answer.code, undefined, answer.message);
      return answer.value;
    };
    const denied = async (...args) => {
      assert.equal((await as(...args)).code, 'permission-denied');
    };

    before(async () => {
      opened = await openPage();
      const loaded = await put(':securityRules', {rules: {files: [{content: RULES}]}});
      assert.equal(loaded.status, 200);
    });
    beforeEach(() => put('/databases/(default)/documents'));
    after(() => opened.close());

    it('writes and reads', async () => {
      const found = await value('ana', async (f, db) => {
        const note = f.doc(db, 'notes/n1');
        await f.setDoc(note, {
          owner: 'ana',
          n: 1,
          half: 0.5,
          at: f.serverTimestamp(),
          tags: ['a', {b: null}],
          text: 'é 😀',
        });
        await f.updateDoc(note, {n: f.increment(2), tags: f.arrayUnion('c')});
        const data = (await f.getDocFromServer(note)).data();
        return {...data, at: data.at instanceof f.Timestamp};
      });
      assert.deepEqual(found, {
        owner: 'ana',
        n: 3,
        half: 0.5,
        at: true,
        tags: ['a', {b: null}, 'c'],
        text: 'é 😀',
      });
    });

    it('is subject to rules', async () => {
      await value('ana', (f, db) => f.setDoc(f.doc(db, 'notes/n1'), {owner: 'ana'}));
      await denied('bob', (f, db) => f.getDocFromServer(f.doc(db, 'notes/n1')));
      await denied(null, (f, db) => f.getDocFromServer(f.doc(db, 'notes/n1')));
      await denied('bob', (f, db) => f.setDoc(f.doc(db, 'notes/n2'), {owner: 'ana'}));
      await denied('ana', (f, db) => f.deleteDoc(f.doc(db, 'notes/n1')));
      await denied('ana', (f, db) => f.getDocsFromServer(f.collection(db, 'notes')));
    });

    it('queries, counts and sums', async () => {
      const found = await value('ana', async (f, db) => {
        const items = f.collection(db, 'open/list/items');
        const batch = f.writeBatch(db);
        for (let n = 0; n < 30; n += 1) {
          batch.set(f.doc(items, `i${n}`), {n, even: n % 2 === 0});
        }
        await batch.commit();
        const even = f.query(items, f.where('even', '==', true));
        const counted = await f.getCountFromServer(even);
        const page = await f.getDocsFromServer(
          f.query(items, f.where('n', '>=', 10), f.orderBy('n', 'desc'), f.limit(3)),
        );
        const total = await f.getAggregateFromServer(items, {
          sum: f.sum('n'),
          average: f.average('n'),
        });
        return [page.docs.map((doc) => doc.data().n), counted.data(), total.data()];
      });
      assert.deepEqual(found, [[29, 28, 27], {count: 15}, {sum: 435, average: 14.5}]);
    });

    it('listens to what others change', async () => {
      const heard = await value('ana', async (f, db) => {
        const items = f.collection(db, 'open/live/items');
        const states = [];
        let wake = () => {};
        const everything = {includeMetadataChanges: true};
        const first = f.query(items, f.orderBy('n'), f.limit(2));
        const stop = f.onSnapshot(first, everything, (snapshot) => {
          if (!snapshot.metadata.hasPendingWrites && !snapshot.metadata.fromCache) {
            states.push(snapshot.docs.map((doc) => doc.id).join());
          }
          wake();
        });
        const until = async (state) => {
          while (states.at(-1) !== state) {
            await new Promise((resolve) => {
              wake = resolve;
            });
          }
        };
        await until('');
        await f.setDoc(f.doc(items, 'b'), {n: 2});
        await until('b');
        await f.setDoc(f.doc(items, 'c'), {n: 3});
        await until('b,c');
        await f.setDoc(f.doc(items, 'a'), {n: 1});
        await until('a,b');
        await f.deleteDoc(f.doc(items, 'b'));
        await until('a,c');
        stop();
        return states.at(-1);
      });
      assert.equal(heard, 'a,c');
    });

    it('hears in one page what another writes', async () => {
      const writer = await openPage();
      try {
        const waiting = as('ana', async (f, db) => {
          return new Promise((resolve, reject) => {
            f.onSnapshot(
              f.doc(db, 'open/shared'),
              (snapshot) => snapshot.data()?.from && resolve(snapshot.data().from),
              reject,
            );
          });
        });
        const own = opened;
        opened = writer;
        await value('bob', (f, db) => f.setDoc(f.doc(db, 'open/shared'), {from: 'bob'}));
        opened = own;
        assert.equal((await waiting).value, 'bob');
      } finally {
        await writer.close();
      }
    });

    it('listens and writes in more clients than a browser has connections', async () => {
      const clients = 8;
      const all = Array.from({length: clients}, (_, index) =>
        value(
          'ana',
          async (f, db, index, clients) => {
            const room = f.collection(db, 'open/room/members');
            const complete = new Promise((resolve, reject) => {
              f.onSnapshot(room, ({size}) => size === clients && resolve(size), reject);
            });
            await f.getDocsFromServer(room); // every one listens before any one writes
            await f.setDoc(f.doc(room, `m${index}`), {index});
            return complete;
          },
          index,
          clients,
        ),
      );
      assert.deepEqual(await Promise.all(all), Array(clients).fill(clients));
    });

    it('ends a listener that rules deny', async () => {
      await denied('bob', (f, db) => {
        return new Promise((resolve, reject) => {
          f.onSnapshot(f.collection(db, 'notes'), resolve, reject);
        });
      });
    });

    it('runs transactions', async () => {
      const total = await value('ana', async (f, db) => {
        const counter = f.doc(db, 'open/counter');
        await f.setDoc(counter, {n: 0});
        const add = () =>
          f.runTransaction(db, async (transaction) => {
            const found = await transaction.get(counter);
            transaction.update(counter, {n: found.data().n + 1});
          });
        await Promise.all([add(), add(), add()]);
        return (await f.getDocFromServer(counter)).data().n;
      });
      assert.equal(total, 3);
    });
  });
}

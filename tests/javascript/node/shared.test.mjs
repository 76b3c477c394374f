// The tables of cases, asked through every client.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';

import {CLIENTS, newProject} from './clients.mjs';
import {useIndexes} from './server.mjs';
import {sorted} from './values.mjs';

const table = (name) => JSON.parse(readFileSync(new URL(`cases/${name}.json`, import.meta.url), 'utf8'));
const WRITES = table('writes');
const VALUES = table('values');
const QUERIES = table('queries');

/** What clients call a status: the web SDK by name, the server library by number. */
const STATUS = {3: 'invalid-argument', 5: 'not-found', 6: 'already-exists', 7: 'permission-denied', 9: 'failed-precondition', 10: 'aborted'};

async function step(client, path, [kind, ...given]) {
  if (kind === 'merge') return client.set(path, given[0], {merge: true});
  if (kind === 'mergeFields') return client.set(path, given[0], {mergeFields: given[1]});
  if (kind === 'updatePath') return client.update(path, ...given);
  return client[kind](path, ...given);
}

/** Runs steps; returns the status of the error that ended them, also of one that the client finds itself. */
async function outcome(run) {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (STATUS[error.code]) return STATUS[error.code];
    if (typeof error.code === 'string') return error.code;
    return /not (a )?valid|nested|invalid|array/i.test(error.message) ? 'invalid-argument' : String(error);
  }
}

for (const [name, make] of Object.entries(CLIENTS)) {
  describe(name, () => {
    let client;
    before(() => {
      client = make(newProject('shared'));
    });
    after(() => client.close());

    describe('writes', () => {
      WRITES.cases.forEach((about, index) =>
        it(about.name, async () => {
          const path = `writes/${index}`;
          if (about.before) await client.set(path, about.before);
          const error = await outcome(async () => {
            for (const each of about.steps) await step(client, path, each);
          });
          assert.equal(error, about.error);
          if (!about.error) assert.deepEqual(await client.get(path), about.expected && sorted(about.expected));
        }),
      );

      it('a server timestamp is about now', async () => {
        await client.set('writes/time', {at: {$array: ['time']}});
        const {at} = await client.get('writes/time');
        assert.ok(Math.abs(Date.parse(at.$timestamp) - Date.now()) < 60_000, JSON.stringify(at));
      });

      it('a batch is written as a whole', async () => {
        await client.set('batch/a', {n: 1});
        const failed = await outcome(() =>
          client.batch([
            ['set', 'batch/b', {n: 2}],
            ['update', 'batch/missing', {n: 3}],
          ]),
        );
        assert.equal(failed, 'not-found');
        assert.equal(await client.get('batch/b'), null);
        await client.batch([
          ['set', 'batch/b', {n: 2}],
          ['update', 'batch/a', {n: {$array: ['increment', 1]}}],
          ['delete', 'batch/none'],
        ]);
        assert.deepEqual([await client.get('batch/a'), await client.get('batch/b')], [{n: 2}, {n: 2}]);
      });

      it('a transaction reads and writes', async () => {
        await client.set('bank/a', {cents: 100});
        await client.set('bank/b', {cents: 0});
        await client.transaction(async (transaction) => {
          const from = await transaction.get('bank/a');
          const to = await transaction.get('bank/b');
          transaction.update('bank/a', {cents: from.cents - 30});
          transaction.update('bank/b', {cents: to.cents + 30});
        });
        assert.deepEqual([await client.get('bank/a'), await client.get('bank/b')], [{cents: 70}, {cents: 30}]);
      });

      it('a transaction that throws writes nothing', async () => {
        await client.set('bank/c', {cents: 5});
        await assert.rejects(
          client.transaction(async (transaction) => {
            await transaction.get('bank/c');
            transaction.update('bank/c', {cents: 0});
            throw new Error('no');
          }),
          /no/,
        );
        assert.deepEqual(await client.get('bank/c'), {cents: 5});
      });

      it('transactions at once lose nothing', async () => {
        await client.set('bank/counter', {n: 0});
        const raise = () =>
          client.transaction(async (transaction) => {
            const {n} = await transaction.get('bank/counter');
            transaction.update('bank/counter', {n: n + 1});
          });
        await Promise.all(Array.from({length: 4}, raise));
        assert.deepEqual(await client.get('bank/counter'), {n: 4});
      }).timeout(60_000);
    });

    describe('values', () => {
      VALUES.cases.forEach((about, index) =>
        it(about.name, async () => {
          const expected = about.expected ?? about.value;
          await client.set(`values/${index}`, {v: about.value});
          assert.deepEqual((await client.get(`values/${index}`)).v, sorted(expected));
        }),
      );
    });

    describe('queries', () => {
      before(async () => {
        const project = newProject('queries');
        await client.close();
        client = make(project);
        await useIndexes(project, QUERIES.indexes);
        const writes = Object.entries(QUERIES.documents).map(([path, fields]) => ['set', path, fields]);
        await client.batch(writes);
      });

      for (const about of QUERIES.cases) {
        it(about.name, async () => {
          assert.deepEqual(await client.find(about.query), about.ids);
        });
      }
      for (const about of QUERIES.aggregations) {
        it(`aggregation: ${about.name}`, async () => {
          assert.deepEqual(await client.aggregate(about.query, about.wanted), sorted(about.expected));
        });
      }
      it('a query without its index fails, and names it', async () => {
        const query = {collection: 'cities', where: [['country', '==', 'USA']], orderBy: ['name']};
        await assert.rejects(client.find(query), (error) => {
          assert.ok([9, 'failed-precondition'].includes(error.code), error.code);
          assert.match(error.message, /requires an index.*https:\/\/console\.firebase\.google\.com/);
          return true;
        });
      });
      it('more than 30 disjunctions are refused', async () => {
        const query = {collection: 'cities', where: [['population', 'in', Array.from({length: 31}, (_, n) => n)]]};
        assert.equal(await outcome(() => client.find(query)), 'invalid-argument');
      });
    });
  });
}

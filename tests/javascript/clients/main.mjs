// node main.mjs PLAN OUTCOMES: runs the plan that tests/clients wrote on the server of FIRESTORE_EMULATOR_HOST, and writes
// what each step gave, a case a line. The clients run at once, each in projects of its own.

import {createWriteStream, readFileSync} from 'node:fs';

import {control} from './control.mjs';
import {runTables} from './engine.mjs';
import {CLIENTS} from './node.mjs';

const TABLES_AT_ONCE = 3;
const HOST = process.env.FIRESTORE_EMULATOR_HOST;
const [planFile, outcomesFile] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, 'utf8'));
const written = createWriteStream(outcomesFile);

async function runClient({client, lacks, tables}) {
  const report = (outcome) => written.write(`${JSON.stringify({client, ...outcome})}\n`);
  if (client === 'chromium') {
    const {runInPage} = await import('./chromium.mjs');
    return runInPage(HOST, plan.run, {lacks, tables}, report);
  }
  let count = 0;
  const newProject = () => `${plan.run}-${client}-${(count += 1)}`;
  const open = (project, by) => CLIENTS[client](HOST, project, by);
  checkLacks(open(newProject(), {}), lacks);
  const kit = {open, newProject, control: (...given) => control(HOST, ...given), tablesAtOnce: TABLES_AT_ONCE};
  return runTables(kit, tables, report);
}

/** A verb that clients.yaml says a client lacks, it must lack: nothing is left out that could be asked. */
function checkLacks(client, verbs) {
  const has = verbs.filter((verb) => typeof client[verb] === 'function');
  if (has.length) throw new Error(`clients.yaml: ${client.name} does have ${has.join(', ')}`);
}

// The server library leaves such a promise unheeded when a listener was about to connect anew as its case ended.
process.on('unhandledRejection', (error) => {
  if (error?.message !== 'The client has already been terminated') throw error;
});

await Promise.all(plan.clients.map(runClient));
await new Promise((resolve) => written.end(resolve));
process.exit(0);

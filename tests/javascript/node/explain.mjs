// Reads rows as JSON lines, each with the indexes that the server is to have; prints what each used and cost, a line for a row.

import * as sdk from '@google-cloud/firestore';
import {createInterface} from 'node:readline';

import {explain} from './explained.cjs';
import {HOST} from './server.mjs';

const db = new sdk.Firestore({projectId: process.argv[2]});
for await (const line of createInterface({input: process.stdin})) {
  const {row, indexes} = JSON.parse(line);
  await fetch(`http://${HOST}/harness/v1/indexes`, {method: 'PUT', body: JSON.stringify(indexes)});
  const t=Date.now(); console.log(JSON.stringify(await explain(sdk, db, row))); console.error(Date.now()-t, row.name);
}
await db.terminate();

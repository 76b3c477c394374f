// Reads rows as JSON lines, each with the indexes that the server is to have; prints what each used and cost, a line for a row.

import * as sdk from '@google-cloud/firestore';
import {createInterface} from 'node:readline';

import {explain} from './explained.cjs';

const indexesUrl = `http://${process.env.FIRESTORE_EMULATOR_HOST}/harness/v1/indexes`;
const db = new sdk.Firestore({projectId: process.argv[2]});
for await (const line of createInterface({input: process.stdin})) {
  const {row, indexes} = JSON.parse(line);
  await fetch(indexesUrl, {method: 'PUT', body: JSON.stringify(indexes)});
  console.log(JSON.stringify(await explain(sdk, db, row)));
}
await db.terminate();

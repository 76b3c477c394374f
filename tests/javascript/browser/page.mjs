// A page of its own origin with the web SDK as firebase publishes it for browsers, in a headless
// Chromium that comes out of an npm package.

import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {createRequire} from 'node:module';
import {basename, dirname, join} from 'node:path';

import chromium from '@sparticuz/chromium';
import puppeteer from 'puppeteer-core';

const FIREBASE = dirname(createRequire(import.meta.url).resolve('firebase/package.json'));
const {version} = JSON.parse(await readFile(join(FIREBASE, 'package.json'), 'utf8'));
// Of all that a page is asked to do at once: whole suites of cases.
const LIMIT_MS = 300_000;
const SCRIPTS = ['firebase-app.js', 'firebase-firestore.js'];

// The published modules import each other from the place where they are hosted.
const imports = Object.fromEntries(
  SCRIPTS.map((name) => [
    `https://www.gstatic.com/firebasejs/${version}/${name}`,
    `/${name}`,
  ]),
);
const PAGE = `<!doctype html>
<title>web SDK</title>
<script type="importmap">${JSON.stringify({imports})}</script>
<script type="module">
  import * as app from '/firebase-app.js';
  import * as firestore from '/firebase-firestore.js';
  firestore.setLogLevel('silent');
  Object.assign(window, {app, firestore, ready: true});
</script>`;

/** Opens a page; `close` ends the browser and the page's server. `modules`: a folder that the page finds at /modules/. */
export async function openPage({modules} = {}) {
  const server = createServer(async (request, response) => {
    const name = request.url.slice(1);
    if (SCRIPTS.includes(name)) {
      response.setHeader('content-type', 'text/javascript');
      response.end(await readFile(join(FIREBASE, name)));
    } else if (modules && /^modules\/\w+\.mjs$/.test(name)) {
      response.setHeader('content-type', 'text/javascript');
      response.end(await readFile(join(modules, basename(name))));
    } else {
      response.setHeader('content-type', 'text/html');
      response.end(PAGE);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await puppeteer.launch({
    executablePath: await chromium.executablePath(),
    args: chromium.args.filter((flag) => !flag.includes('disable-web-security')),
    headless: 'shell',
    pipe: true, // by which the browser ends when this process is killed
    protocolTimeout: LIMIT_MS,
  });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForFunction('window.ready');
  return {
    page,
    close: async () => {
      await browser.close();
      server.close();
    },
  };
}

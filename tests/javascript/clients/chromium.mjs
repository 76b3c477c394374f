// Runs tables through the web SDK in a real headless Chromium.

import {openPage} from '../browser/page.mjs';
import {control} from './control.mjs';

/** Runs tables in a page, as runTables does in Node. */
export async function runInPage(host, run, {lacks, tables}, report) {
  const opened = await openPage({modules: import.meta.dirname});
  try {
    await opened.page.exposeFunction('control', (...given) => control(host, ...given));
    await opened.page.exposeFunction('report', report);
    await opened.page.evaluate(
      async (host, run, lacks, tables) => {
        const {runTables} = await import('/modules/engine.mjs');
        const {WebLibrary} = await import('/modules/web_library.mjs');
        const {openWeb} = await import('/modules/open_web.mjs');
        const openClient = openWeb(WebLibrary, 'chromium', window.app, window.firestore);
        const has = lacks.filter((verb) => WebLibrary.prototype[verb]);
        if (has.length) throw new Error(`clients.yaml: chromium does have ${has.join(', ')}`);
        let count = 0;
        const kit = {
          open: (project, by) => openClient(host, project, by),
          control: window.control,
          // A page has six connections to a host, and each listener's channel takes two.
          tablesAtOnce: 1,
          newProject: () => `${run}-chromium-${(count += 1)}`,
        };
        const waiting = [];
        await runTables(kit, tables, (outcome) => waiting.push(window.report(outcome)));
        await Promise.all(waiting);
      },
      host,
      run,
      lacks,
      tables,
    );
  } finally {
    await opened.close();
  }
}

// Runs the steps of cases through one client and notes what each step gave. Judges nothing: what was expected stays with
// tests/clients. Runs in Node and in a page alike.

// Of a step that hangs. Server libraries try some refused queries again for seven seconds.
const STEP_LIMIT_MS = 30_000;
const SILENCE_MS = 150;
const WRITTEN_AT_ONCE = 400;

/**
 * Runs the cases of tables: those of one table one after another, `kit.tablesAtOnce` tables at once.
 *
 * @param kit `open(project, by)` a client, `control(kind, project, content)` the server, `newProject()`.
 * @param tables As tests/clients/tables.py writes them.
 * @param report Is given {table, case, outcomes}: for each step {gives} or {fails: {code, message}}, until one hangs.
 */
export async function runTables(kit, tables, report) {
  const waiting = [...tables];
  const work = async () => {
    for (let table = waiting.shift(); table; table = waiting.shift()) await runTable(kit, table, report);
  };
  await Promise.all(Array.from({length: kit.tablesAtOnce}, work));
}

async function runTable(kit, table, report) {
  const shared = table.shared ? await Room.make(kit, table) : null;
  for (const about of table.cases) {
    const room = shared ?? (await Room.make(kit, about));
    report({table: table.name, case: about.name, outcomes: await room.run(about)});
    if (!shared) await room.close();
  }
  await shared?.close();
}

/** A project with rules, indexes and documents, and the clients that were opened on it. */
class Room {
  static async make(kit, about) {
    const room = new Room(kit, kit.newProject());
    try {
      if (about.rules) await kit.control('rules', room.project, about.rules);
      if (about.indexes) await kit.control('indexes', room.project, about.indexes);
      const writes = Object.entries(about.documents ?? {}).map(([path, fields]) => ['set', path, fields]);
      for (let start = 0; start < writes.length; start += WRITTEN_AT_ONCE) {
        await room.client({owner: true}).batch(...writes.slice(start, start + WRITTEN_AT_ONCE));
      }
    } catch (error) {
      room.broken = error;
    }
    return room;
  }
  constructor(kit, project) {
    Object.assign(this, {kit, project, clients: new Map(), broken: null});
  }
  client(by) {
    const key = JSON.stringify(by);
    if (!this.clients.has(key)) this.clients.set(key, this.kit.open(this.project, by));
    return this.clients.get(key);
  }
  async run(about) {
    if (this.broken) return [{fails: {code: 'not set up', message: String(this.broken)}}];
    const scene = new Scene(this, about.by ?? {});
    const outcomes = [];
    for (const step of about.steps) {
      outcomes.push(await scene.outcome(step));
      if (outcomes.at(-1).fails?.code === HANGS) break;
    }
    scene.close();
    return outcomes;
  }
  async close() {
    await Promise.all([...this.clients.values()].map((client) => within(client.close(), 'close').catch(() => {})));
  }
}

/** What a case's steps share: listeners, and steps that have begun. */
class Scene {
  constructor(room, by) {
    Object.assign(this, {room, by, listeners: new Map(), begun: new Map()});
  }
  async outcome(step) {
    const client = this.room.client({...this.by, ...step.by});
    try {
      return {gives: (await within(this.#take(client, step), step.verb)) ?? null};
    } catch (error) {
      if (error.code === HANGS) return {fails: {code: HANGS, message: error.message}};
      const {code, message} = client.failure(error);
      return {fails: {code, message: message.replaceAll(this.room.project, 'PROJECT')}};
    }
  }
  #take(client, {verb, given}) {
    if (VERBS[verb]) return VERBS[verb](this, client, ...given);
    if (typeof client[verb] !== 'function') throw new Error(`${client.name} has no ${verb}`);
    return client[verb](...given);
  }
  close() {
    for (const listener of this.listeners.values()) listener.stop();
  }
}

const VERBS = {
  // Many documents `n0`, `n1`, ... of one field `n`; one document of so many bytes.
  async fill(scene, client, collection, count) {
    const writes = Array.from({length: count}, (_, n) => ['set', `${collection}/n${n}`, {n}]);
    for (let start = 0; start < count; start += WRITTEN_AT_ONCE) {
      await client.batch(...writes.slice(start, start + WRITTEN_AT_ONCE));
    }
  },
  fill_document: (scene, client, path, size) => client.set(path, {text: 'x'.repeat(size)}),
  async listen(scene, client, name, target, options) {
    const listener = new Listener();
    listener.stop = await client.listen(target, {
      ...options,
      on: (event) => listener.put({event}),
      fail: (error) => listener.put({error}),
    });
    scene.listeners.set(name, listener);
  },
  heard: (scene, client, name) => scene.listeners.get(name).next(),
  async silent(scene, client, name) {
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    return scene.listeners.get(name).events.length === 0;
  },
  stop: (scene, client, name) => scene.listeners.get(name).stop(),
  begin(scene, client, name, step) {
    scene.begun.set(name, scene.outcome(step));
  },
  end: async (scene, client, name) => thrown(await scene.begun.get(name)),
  at_once: async (scene, client, ...steps) =>
    (await Promise.all(steps.map((step) => scene.outcome(step)))).map(({gives, fails}) => (fails ? fails.code : gives)),
  async transaction(scene, client, inner, options) {
    let attempts = 0;
    let read;
    await client.transaction(async (handle) => {
      attempts += 1;
      read = [];
      for (const [verb, ...given] of inner) {
        if (verb === 'throw') throw new Error(given[0]);
        else if (verb === 'write') handle.write(given);
        else if (verb === 'raise') {
          const [path, field] = given;
          handle.write(['update', path, {[field]: (await handle.get(path))[field] + 1}]);
        } else if (verb === 'meanwhile') {
          if (attempts === 1) for (const step of given) thrown(await scene.outcome(step));
        } else if (verb === 'begin') VERBS.begin(scene, client, ...given);
        else read.push(await handle[verb](...given));
      }
    }, options);
    return {attempts, read};
  },
};

/** What was heard and not yet asked for. */
class Listener {
  events = [];
  wake = () => {};
  put(event) {
    this.events.push(event);
    this.wake();
  }
  async next() {
    while (!this.events.length) {
      await new Promise((resolve) => {
        this.wake = resolve;
      });
    }
    const {event, error} = this.events.shift();
    if (error) throw error;
    return event;
  }
}

const HANGS = 'nothing came';

function thrown({gives, fails}) {
  if (fails) throw Object.assign(new Error(fails.message), {code: fails.code});
  return gives;
}

async function within(promise, what) {
  let timer;
  const limit = new Promise((_, reject) => {
    const late = Object.assign(new Error(`${what}: nothing came in ${STEP_LIMIT_MS} ms`), {code: HANGS});
    timer = setTimeout(reject, STEP_LIMIT_MS, late);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

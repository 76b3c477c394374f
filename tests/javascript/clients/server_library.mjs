// The server library under the tables' verbs: `@google-cloud/firestore` and what `firebase-admin` exports of it.
// One method for each verb of a step; a verb without a method is one that the library does not have.

import {Buffer} from 'node:buffer';

import {decode, encode, text, timestamp} from './values.mjs';

export class ServerLibrary {
  /**
   * @param name As clients.yaml has it.
   * @param sdk The module that exports FieldValue, Timestamp and so on.
   * @param db A Firestore of it.
   */
  constructor(name, sdk, db, close = () => db.terminate()) {
    Object.assign(this, {name, sdk, db, close, versions: new Map()});
    this.values = {
      integer: (digits) => BigInt(digits),
      timestamp: (content) => timestamp(sdk.Timestamp, content),
      bytes: (content) => Buffer.from(content, 'base64'),
      point: ([latitude, longitude]) => new sdk.GeoPoint(latitude, longitude),
      reference: (path) => db.doc(path),
      vector: (numbers) => sdk.FieldValue.vector(numbers),
      increment: (operand) => sdk.FieldValue.increment(operand),
      union: (elements) => sdk.FieldValue.arrayUnion(...elements),
      remove: (elements) => sdk.FieldValue.arrayRemove(...elements),
      delete: () => sdk.FieldValue.delete(),
      now: () => sdk.FieldValue.serverTimestamp(),
    };
  }

  describe(value) {
    const {sdk} = this;
    if (value instanceof sdk.Timestamp) return {$timestamp: text(value)};
    if (Buffer.isBuffer(value)) return {$bytes: value.toString('base64')};
    if (value instanceof sdk.GeoPoint) return {$point: [value.latitude, value.longitude]};
    if (value instanceof sdk.DocumentReference) return {$reference: value.path};
    if (value?.constructor?.name === 'VectorValue') return {$vector: value.toArray()};
    return undefined;
  }

  // Documents

  async get(path) {
    return this.#fields(await this.db.doc(path).get());
  }
  set(path, fields, options) {
    return this.#nothing(this.db.doc(path).set(decode(this, fields), options));
  }
  create(path, fields) {
    return this.#nothing(this.db.doc(path).create(decode(this, fields)));
  }
  update(path, fields, precondition) {
    return this.#nothing(this.db.doc(path).update(decode(this, fields), ...(precondition ? [precondition] : [])));
  }
  update_paths(path, ...pairs) {
    return this.#nothing(this.db.doc(path).update(...this.#pairs(pairs)));
  }
  delete(path, precondition) {
    return this.#nothing(this.db.doc(path).delete(precondition));
  }
  async add(collection, fields) {
    return {id_length: (await this.db.collection(collection).add(decode(this, fields))).id.length};
  }
  async remember(path) {
    this.versions.set(path, (await this.db.doc(path).get()).updateTime);
  }
  update_remembered(path, fields) {
    return this.update(path, fields, {lastUpdateTime: this.versions.get(path)});
  }
  delete_remembered(path) {
    return this.delete(path, {lastUpdateTime: this.versions.get(path)});
  }
  async times(path) {
    const found = await this.db.doc(path).get();
    const [created, updated, read] = [found.createTime, found.updateTime, found.readTime].map((time) => time.valueOf());
    return {created_first: created < updated, read_last: read >= updated};
  }
  async get_all(paths, mask) {
    const options = mask ? [{fieldMask: mask}] : [];
    return (await this.db.getAll(...paths.map((path) => this.db.doc(path)), ...options)).map((found) => this.#fields(found));
  }
  async collections(path) {
    return (await (path ? this.db.doc(path) : this.db).listCollections()).map((found) => found.id);
  }
  async documents(collection) {
    const references = await this.db.collection(collection).listDocuments();
    if (!references.length) return [];
    return (await this.db.getAll(...references)).map((found) => [found.id, found.exists]);
  }

  // Many at once

  batch(...writes) {
    const batch = this.db.batch();
    for (const write of writes) this.#write(batch, write);
    return this.#nothing(batch.commit());
  }
  async bulk(...writes) {
    const writer = this.db.bulkWriter();
    writer.onWriteError(() => false);
    const outcomes = writes.map((write) => this.#write(writer, write).then(() => 'written', (error) => this.failure(error).code));
    await writer.close();
    return Promise.all(outcomes);
  }
  recursive_delete(path) {
    const isCollection = path.split('/').length % 2 === 1;
    return this.#nothing(this.db.recursiveDelete(isCollection ? this.db.collection(path) : this.db.doc(path)));
  }
  transaction(body, options) {
    return this.db.runTransaction(
      (transaction) =>
        body({
          get: async (path) => this.#fields(await transaction.get(this.db.doc(path))),
          find: async (about) => (await transaction.get(await this.query(about))).docs.map((found) => found.id),
          count: async (about) => (await transaction.get((await this.query(about)).count())).data().count,
          get_all: async (paths) =>
            (await transaction.getAll(...paths.map((path) => this.db.doc(path)))).map((found) => this.#fields(found)),
          write: (write) => this.#write(transaction, write),
        }),
      options,
    );
  }

  // Queries

  async find(about) {
    return (await (await this.query(about)).get()).docs.map((found) => found.id);
  }
  async rows(about) {
    return (await (await this.query(about)).get()).docs.map((found) => [found.id, encode(this, found.data())]);
  }
  async stream(about) {
    const ids = [];
    for await (const found of (await this.query(about)).stream()) ids.push(found.id);
    return ids;
  }
  async count(about) {
    return (await (await this.query(about)).count().get()).data().count;
  }
  async aggregate(about, wanted) {
    const {AggregateField} = this.sdk;
    const fields = Object.entries(wanted).map(([name, [kind, ...field]]) => [name, AggregateField[kind](...field)]);
    return encode(this, (await (await this.query(about)).aggregate(Object.fromEntries(fields)).get()).data());
  }
  async nearest(about, options) {
    const found = await (await this.query(about)).findNearest(options).get();
    return found.docs.map((document) => [document.id, encode(this, document.data())]);
  }
  async explain(about, options) {
    const {metrics, snapshot} = await (await this.query(about)).explain(options);
    return {
      indexes: metrics.planSummary.indexesUsed,
      results: metrics.executionStats?.resultsReturned ?? null,
      reads: metrics.executionStats?.readOperations ?? null,
      ids: snapshot?.docs.map((found) => found.id) ?? null,
    };
  }
  async partitions(group, wanted) {
    const ids = [];
    let parts = 0;
    for await (const part of this.db.collectionGroup(group).getPartitions(wanted)) {
      parts += 1;
      ids.push(...(await part.toQuery().get()).docs.map((found) => found.id));
    }
    return {parts_at_most_wanted: parts <= wanted, ids: ids.sort()};
  }
  async bundle(name, about) {
    const bundle = this.db.bundle(name);
    bundle.add(name, await (await this.query(about)).get());
    const content = bundle.build().toString();
    return [...content.matchAll(/\d+\{"(metadata|namedQuery|documentMetadata|document)"/g)].map(([, kind]) => kind);
  }

  // Listeners

  async listen(target, {on, fail}) {
    if (typeof target === 'string') {
      return this.db.doc(target).onSnapshot((found) => on({fields: this.#fields(found)}), fail);
    }
    return (await this.query(target)).onSnapshot((found) => on(changes(found)), fail);
  }

  // How a table's words become the library's

  async query(about) {
    const {db, sdk} = this;
    let query = about.group ? db.collectionGroup(about.group) : db.collection(about.collection);
    if (about.filter) query = query.where(this.#filter(about.filter));
    for (const [field, operator, value] of about.where ?? []) {
      query = query.where(this.#path(field), operator, decode(this, value));
    }
    for (const field of about.orderBy ?? []) {
      query = field.startsWith('-') ? query.orderBy(this.#path(field.slice(1)), 'desc') : query.orderBy(this.#path(field));
    }
    for (const cursor of ['startAt', 'startAfter', 'endAt', 'endBefore']) {
      if (about[cursor]) query = query[cursor](...decode(this, about[cursor]));
      const path = about[`${cursor}Document`];
      if (path) query = query[cursor](await db.doc(path).get());
    }
    if (about.limit !== undefined) query = query.limit(about.limit);
    if (about.limitToLast !== undefined) query = query.limitToLast(about.limitToLast);
    if (about.offset !== undefined) query = query.offset(about.offset);
    if (about.select) query = query.select(...about.select.map((field) => this.#path(field)));
    return query;
  }
  #filter([kind, ...parts]) {
    const {Filter} = this.sdk;
    if (kind === 'or' || kind === 'and') return Filter[kind](...parts.map((part) => this.#filter(part)));
    return Filter.where(this.#path(kind), parts[0], decode(this, parts[1]));
  }
  #path(field) {
    const {FieldPath} = this.sdk;
    if (field === '__name__') return FieldPath.documentId();
    return Array.isArray(field) ? new FieldPath(...field) : field;
  }
  #pairs(pairs) {
    return pairs.map((each, index) => (index % 2 ? decode(this, each) : this.#path(each)));
  }
  #write(writer, [kind, path, ...rest]) {
    const document = this.db.doc(path);
    if (kind === 'delete') return writer.delete(document, ...rest);
    if (kind === 'update_paths') return writer.update(document, ...this.#pairs(rest));
    const [fields, ...options] = rest;
    return writer[kind](document, decode(this, fields), ...options);
  }
  #fields(found) {
    return found.exists ? encode(this, found.data()) : null;
  }
  async #nothing(written) {
    await written;
  }

  /** Names an error as the tables do; `refused by the client`: it asked no server. */
  failure(error) {
    // Over REST the library hands on the answer as it came.
    const told = error.code >= 400 && /^\{"error":\{.*\}\}\s*$/s.test(error.message) && JSON.parse(error.message).error;
    if (told) return {code: told.status.toLowerCase().replaceAll('_', '-'), message: told.message};
    // A listener's error has its code in its text.
    const heard = /^Error (\d+): /.exec(error.message)?.[1];
    const code = STATUS[error.code ?? heard] ?? (error.code === undefined ? 'refused by the client' : String(error.code));
    return {code, message: error.details || error.message};
  }
}

/** A snapshot of a query, as `heard` gives it. */
export function changes(found) {
  return {
    ids: found.docs.map((each) => each.id),
    changes: found.docChanges().map((each) => [each.type, each.doc.id, each.oldIndex, each.newIndex]),
  };
}

const STATUS = {
  1: 'cancelled',
  2: 'unknown',
  3: 'invalid-argument',
  4: 'deadline-exceeded',
  5: 'not-found',
  6: 'already-exists',
  7: 'permission-denied',
  8: 'resource-exhausted',
  9: 'failed-precondition',
  10: 'aborted',
  11: 'out-of-range',
  12: 'unimplemented',
  13: 'internal',
  14: 'unavailable',
  16: 'unauthenticated',
};

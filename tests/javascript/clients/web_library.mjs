// The web SDK under the tables' verbs: `firebase/firestore` in Node and in a page, and `firebase/firestore/lite`.
// One method for each verb of a step; `LiteLibrary` has those that both have. Nothing of Node is used here: a page loads it.

import {decode, encode, text, timestamp} from './values.mjs';

export class LiteLibrary {
  /**
   * @param name As clients.yaml has it.
   * @param sdk The module `firebase/firestore` or `firebase/firestore/lite`.
   * @param db A Firestore of it.
   */
  constructor(name, sdk, db, close) {
    Object.assign(this, {name, sdk, db, close});
    this.values = {
      timestamp: (content) => timestamp(sdk.Timestamp, content),
      bytes: (content) => sdk.Bytes.fromBase64String(content),
      point: ([latitude, longitude]) => new sdk.GeoPoint(latitude, longitude),
      reference: (path) => sdk.doc(db, path),
      vector: (numbers) => sdk.vector(numbers),
      increment: (operand) => sdk.increment(operand),
      union: (elements) => sdk.arrayUnion(...elements),
      remove: (elements) => sdk.arrayRemove(...elements),
      delete: () => sdk.deleteField(),
      now: () => sdk.serverTimestamp(),
    };
    // Always the server's: what a client keeps of its own writes would prove nothing.
    this.read = sdk.getDocFromServer ?? sdk.getDoc;
    this.readAll = sdk.getDocsFromServer ?? sdk.getDocs;
    this.readAggregate = sdk.getAggregateFromServer ?? sdk.getAggregate;
  }

  describe(value) {
    const {sdk} = this;
    if (value instanceof sdk.Timestamp) return {$timestamp: text(value)};
    if (value instanceof sdk.Bytes) return {$bytes: value.toBase64()};
    if (value instanceof sdk.GeoPoint) return {$point: [value.latitude, value.longitude]};
    if (value instanceof sdk.DocumentReference) return {$reference: value.path};
    if (value instanceof sdk.VectorValue) return {$vector: value.toArray()};
    return undefined;
  }

  // Documents

  async get(path) {
    return this.fields(await this.read(this.#at(path)));
  }
  set(path, fields, options) {
    return this.sdk.setDoc(this.#at(path), decode(this, fields), options ?? {});
  }
  update(path, fields) {
    return this.sdk.updateDoc(this.#at(path), decode(this, fields));
  }
  update_paths(path, ...pairs) {
    return this.sdk.updateDoc(this.#at(path), ...this.#pairs(pairs));
  }
  delete(path) {
    return this.sdk.deleteDoc(this.#at(path));
  }
  async add(collection, fields) {
    const {sdk, db} = this;
    return {id_length: (await sdk.addDoc(sdk.collection(db, collection), decode(this, fields))).id.length};
  }

  // Many at once

  batch(...writes) {
    const batch = this.sdk.writeBatch(this.db);
    for (const write of writes) this.#write(batch, write);
    return batch.commit();
  }
  transaction(body, options) {
    return this.sdk.runTransaction(
      this.db,
      (transaction) =>
        body({
          get: async (path) => this.fields(await transaction.get(this.#at(path))),
          write: (write) => this.#write(transaction, write),
        }),
      options,
    );
  }

  // Queries

  async find(about) {
    return (await this.readAll(await this.query(about))).docs.map((found) => found.id);
  }
  async rows(about) {
    return (await this.readAll(await this.query(about))).docs.map((found) => [found.id, encode(this, found.data())]);
  }
  async count(about) {
    const read = this.sdk.getCountFromServer ?? this.sdk.getCount;
    return (await read(await this.query(about))).data().count;
  }
  async aggregate(about, wanted) {
    const fields = Object.entries(wanted).map(([name, [kind, ...field]]) => [name, this.sdk[kind](...field)]);
    return encode(this, (await this.readAggregate(await this.query(about), Object.fromEntries(fields))).data());
  }

  // How a table's words become the SDK's

  async query(about) {
    const {sdk, db} = this;
    const source = about.group ? sdk.collectionGroup(db, about.group) : sdk.collection(db, about.collection);
    const parts = [];
    if (about.filter) parts.push(this.#filter(about.filter));
    for (const [field, operator, value] of about.where ?? []) {
      parts.push(sdk.where(this.#path(field), operator, decode(this, value)));
    }
    for (const field of about.orderBy ?? []) {
      parts.push(field.startsWith('-') ? sdk.orderBy(this.#path(field.slice(1)), 'desc') : sdk.orderBy(this.#path(field)));
    }
    for (const cursor of ['startAt', 'startAfter', 'endAt', 'endBefore']) {
      if (about[cursor]) parts.push(sdk[cursor](...decode(this, about[cursor])));
      const path = about[`${cursor}Document`];
      if (path) parts.push(sdk[cursor](await this.read(this.#at(path))));
    }
    if (about.limit !== undefined) parts.push(sdk.limit(about.limit));
    if (about.limitToLast !== undefined) parts.push(sdk.limitToLast(about.limitToLast));
    return sdk.query(source, ...parts);
  }
  #filter([kind, ...parts]) {
    if (kind === 'or' || kind === 'and') return this.sdk[kind](...parts.map((part) => this.#filter(part)));
    return this.sdk.where(this.#path(kind), parts[0], decode(this, parts[1]));
  }
  #path(field) {
    if (field === '__name__') return this.sdk.documentId();
    return Array.isArray(field) ? new this.sdk.FieldPath(...field) : field;
  }
  #pairs(pairs) {
    return pairs.map((each, index) => (index % 2 ? decode(this, each) : this.#path(each)));
  }
  #write(writer, [kind, path, ...rest]) {
    if (kind === 'delete') return writer.delete(this.#at(path));
    if (kind === 'update_paths') return writer.update(this.#at(path), ...this.#pairs(rest));
    const [fields, ...options] = rest;
    return writer[kind](this.#at(path), decode(this, fields), ...options);
  }
  #at(path) {
    return this.sdk.doc(this.db, path);
  }
  fields(found) {
    return found.exists() ? encode(this, found.data()) : null;
  }

  /** Names an error as the tables do; `refused by the client`: it asked no server. */
  failure(error) {
    // What lite makes of 400, whatever the answer says.
    const isBadRequest = error.code === 'failed-precondition' && error.message.startsWith('Request failed with error');
    return {code: isBadRequest ? 'HTTP 400' : (error.code ?? 'refused by the client'), message: error.message};
  }
}

/** The whole SDK: listeners, and a cache that goes on without a connection. */
export class WebLibrary extends LiteLibrary {
  async look(path) {
    return state(this, await this.sdk.getDoc(this.sdk.doc(this.db, path)));
  }
  async get_cached(path) {
    return state(this, await this.sdk.getDocFromCache(this.sdk.doc(this.db, path)));
  }
  async find_cached(about) {
    return (await this.sdk.getDocsFromCache(await this.query(about))).docs.map((found) => found.id);
  }
  offline() {
    return this.sdk.disableNetwork(this.db);
  }
  online() {
    return this.sdk.enableNetwork(this.db);
  }
  pending_writes() {
    return this.sdk.waitForPendingWrites(this.db);
  }
  async listen(target, {on, fail, metadata = false}) {
    const {sdk} = this;
    const options = {includeMetadataChanges: metadata};
    if (typeof target === 'string') {
      const describe = (found) => (metadata ? state(this, found) : {fields: this.fields(found)});
      return sdk.onSnapshot(sdk.doc(this.db, target), options, (found) => on(describe(found)), fail);
    }
    const describe = (found) => ({
      ids: found.docs.map((each) => each.id),
      changes: found.docChanges(options).map((each) => [each.type, each.doc.id, each.oldIndex, each.newIndex]),
      ...(metadata ? {pending: found.metadata.hasPendingWrites, cached: found.metadata.fromCache} : {}),
    });
    return sdk.onSnapshot(await this.query(target), options, (found) => on(describe(found)), fail);
  }
}

const state = (client, found) => ({
  fields: client.fields(found),
  pending: found.metadata.hasPendingWrites,
  cached: found.metadata.fromCache,
});

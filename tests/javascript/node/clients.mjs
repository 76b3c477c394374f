// The clients under one set of words, so that the tables of cases are asked through each: the server libraries over gRPC and
// over REST, and the web SDK with listeners (WebChannel's gRPC form in Node) and without (lite, over REST).

import * as admin from '@google-cloud/firestore';
import {deleteApp, initializeApp} from 'firebase/app';
import * as web from 'firebase/firestore';
import * as lite from 'firebase/firestore/lite';

import {NAME, PORT} from './server.mjs';
import {decode, encode} from './values.mjs';

let count = 0;
/** A project that nobody else uses. */
export const newProject = (name) => `demo-js-${name}-${process.pid}-${(count += 1)}`;

class Client {
  decode(value) {
    return decode(this, value);
  }
  encode(value) {
    return encode(this, value);
  }
}

class Admin extends Client {
  constructor(name, project, settings = {}, databaseId = undefined) {
    super();
    this.name = name;
    this.db = new admin.Firestore({projectId: project, databaseId, ...settings});
    this.values = {
      timestamp: (text) => timestamp(admin.Timestamp, text),
      bytes: (text) => Buffer.from(text, 'base64'),
      point: ([latitude, longitude]) => new admin.GeoPoint(latitude, longitude),
      reference: (path) => this.db.doc(path),
      vector: (numbers) => admin.FieldValue.vector(numbers),
    };
    this.transforms = {
      increment: (operand) => admin.FieldValue.increment(operand),
      union: (...elements) => admin.FieldValue.arrayUnion(...elements),
      remove: (...elements) => admin.FieldValue.arrayRemove(...elements),
      delete: () => admin.FieldValue.delete(),
      time: () => admin.FieldValue.serverTimestamp(),
    };
  }
  describe(value) {
    if (value instanceof admin.Timestamp) return {$timestamp: text(value)};
    if (Buffer.isBuffer(value)) return {$bytes: value.toString('base64')};
    if (value instanceof admin.GeoPoint) return {$point: [value.latitude, value.longitude]};
    if (value instanceof admin.DocumentReference) return {$reference: value.path};
    if (value?.constructor?.name === 'VectorValue') return {$vector: value.toArray()};
    return undefined;
  }
  async get(path) {
    const found = await this.db.doc(path).get();
    return found.exists ? this.encode(found.data()) : null;
  }
  set(path, fields, options) {
    return this.db.doc(path).set(this.decode(fields), options);
  }
  update(path, ...changes) {
    const fields = changes.map((change, index) => (index % 2 || changes.length === 1 ? this.decode(change) : fieldPath(admin, change)));
    return this.db.doc(path).update(...fields);
  }
  delete(path) {
    return this.db.doc(path).delete();
  }
  batch(writes) {
    const batch = this.db.batch();
    for (const [kind, path, fields] of writes) batch[kind](this.db.doc(path), ...(fields ? [this.decode(fields)] : []));
    return batch.commit();
  }
  query(about) {
    let query = about.group ? this.db.collectionGroup(about.group) : this.db.collection(about.collection);
    if (about.filter) query = query.where(this.filter(about.filter));
    for (const [field, operator, value] of about.where ?? []) {
      query = query.where(fieldPath(admin, field), operator, this.operand(field, value));
    }
    for (const field of about.orderBy ?? []) query = query.orderBy(...order(admin, field));
    for (const cursor of ['startAt', 'startAfter', 'endAt', 'endBefore']) {
      if (about[cursor]) query = query[cursor](...this.decode(about[cursor]));
    }
    if (about.limit !== undefined) query = query.limit(about.limit);
    if (about.limitToLast) query = query.limitToLast(about.limitToLast);
    return query;
  }
  filter([kind, ...parts]) {
    if (kind === 'or' || kind === 'and') return admin.Filter[kind](...parts.map((part) => this.filter(part)));
    return admin.Filter.where(fieldPath(admin, kind), parts[0], this.operand(kind, parts[1]));
  }
  operand(field, value) {
    return this.decode(value);
  }
  async find(about) {
    return (await this.query(about).get()).docs.map((found) => found.id);
  }
  async aggregate(about, aggregations) {
    const wanted = Object.fromEntries(
      Object.entries(aggregations).map(([name, [kind, field]]) => [
        name,
        admin.AggregateField[kind](...(field ? [field] : [])),
      ]),
    );
    return this.encode((await this.query(about).aggregate(wanted).get()).data());
  }
  transaction(steps) {
    return this.db.runTransaction((transaction) =>
      steps({
        get: async (path) => (await transaction.get(this.db.doc(path))).data(),
        set: (path, fields) => transaction.set(this.db.doc(path), fields),
        update: (path, fields) => transaction.update(this.db.doc(path), fields),
        delete: (path) => transaction.delete(this.db.doc(path)),
      }),
    );
  }
  close() {
    return this.db.terminate();
  }
}

class Web extends Client {
  constructor(name, sdk, project, {uid, databaseId} = {}) {
    super();
    this.name = name;
    this.sdk = sdk;
    this.app = initializeApp({projectId: project, apiKey: 'none'}, `${project}-${name}-${(count += 1)}`);
    this.db = sdk.initializeFirestore(this.app, {}, databaseId);
    sdk.connectFirestoreEmulator(this.db, NAME, PORT, uid === undefined ? {} : {mockUserToken: {sub: uid}});
    this.values = {
      timestamp: (text) => timestamp(sdk.Timestamp, text),
      bytes: (text) => sdk.Bytes.fromBase64String(text),
      point: ([latitude, longitude]) => new sdk.GeoPoint(latitude, longitude),
      reference: (path) => sdk.doc(this.db, path),
      vector: (numbers) => sdk.vector(numbers),
    };
    this.transforms = {
      increment: (operand) => sdk.increment(operand),
      union: (...elements) => sdk.arrayUnion(...elements),
      remove: (...elements) => sdk.arrayRemove(...elements),
      delete: () => sdk.deleteField(),
      time: () => sdk.serverTimestamp(),
    };
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
  async get(path) {
    // Always the server's: what the client keeps of its own writes would prove nothing.
    const read = this.sdk.getDocFromServer ?? this.sdk.getDoc;
    const found = await read(this.sdk.doc(this.db, path));
    return found.exists() ? this.encode(found.data()) : null;
  }
  set(path, fields, options) {
    return this.sdk.setDoc(this.sdk.doc(this.db, path), this.decode(fields), options ?? {});
  }
  update(path, ...changes) {
    const fields = changes.map((change, index) => (index % 2 || changes.length === 1 ? this.decode(change) : fieldPath(this.sdk, change)));
    return this.sdk.updateDoc(this.sdk.doc(this.db, path), ...fields);
  }
  delete(path) {
    return this.sdk.deleteDoc(this.sdk.doc(this.db, path));
  }
  batch(writes) {
    const batch = this.sdk.writeBatch(this.db);
    for (const [kind, path, fields] of writes) {
      // The web SDK has no create.
      const verb = kind === 'create' ? 'set' : kind;
      batch[verb](this.sdk.doc(this.db, path), ...(fields ? [this.decode(fields)] : []));
    }
    return batch.commit();
  }
  query(about) {
    const {sdk} = this;
    const source = about.group ? sdk.collectionGroup(this.db, about.group) : sdk.collection(this.db, about.collection);
    const parts = [];
    if (about.filter) parts.push(this.filter(about.filter));
    for (const [field, operator, value] of about.where ?? []) {
      parts.push(sdk.where(fieldPath(sdk, field), operator, this.decode(value)));
    }
    for (const field of about.orderBy ?? []) parts.push(sdk.orderBy(...order(sdk, field)));
    for (const cursor of ['startAt', 'startAfter', 'endAt', 'endBefore']) {
      if (about[cursor]) parts.push(sdk[cursor](...this.decode(about[cursor])));
    }
    if (about.limit !== undefined) parts.push(sdk.limit(about.limit));
    if (about.limitToLast) parts.push(sdk.limitToLast(about.limitToLast));
    return sdk.query(source, ...parts);
  }
  filter([kind, ...parts]) {
    if (kind === 'or' || kind === 'and') return this.sdk[kind](...parts.map((part) => this.filter(part)));
    return this.sdk.where(fieldPath(this.sdk, kind), parts[0], this.decode(parts[1]));
  }
  async find(about) {
    const read = this.sdk.getDocsFromServer ?? this.sdk.getDocs;
    return (await read(this.query(about))).docs.map((found) => found.id);
  }
  async aggregate(about, aggregations) {
    const {sdk} = this;
    const wanted = Object.fromEntries(
      Object.entries(aggregations).map(([name, [kind, field]]) => [name, sdk[kind](...(field ? [field] : []))]),
    );
    const read = sdk.getAggregateFromServer ?? sdk.getAggregate;
    return this.encode((await read(this.query(about), wanted)).data());
  }
  transaction(steps) {
    const {sdk} = this;
    const at = (path) => sdk.doc(this.db, path);
    return sdk.runTransaction(this.db, (transaction) =>
      steps({
        get: async (path) => (await transaction.get(at(path))).data(),
        set: (path, fields) => transaction.set(at(path), fields),
        update: (path, fields) => transaction.update(at(path), fields),
        delete: (path) => transaction.delete(at(path)),
      }),
    );
  }
  async close() {
    await this.sdk.terminate(this.db);
    await deleteApp(this.app);
  }
}

function timestamp(kind, text) {
  const [, seconds, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(text);
  return new kind(Date.parse(`${seconds}Z`) / 1000, Number(fraction.padEnd(9, '0')));
}

function text(value) {
  const fraction = String(value.nanoseconds).padStart(9, '0').replace(/0+$/, '');
  return new Date(value.seconds * 1000).toISOString().replace('.000Z', fraction ? `.${fraction}Z` : 'Z');
}

const fieldPath = (sdk, field) => {
  if (field === '__name__') return sdk.FieldPath.documentId?.() ?? sdk.documentId();
  return Array.isArray(field) ? new sdk.FieldPath(...field) : field;
};

const order = (sdk, field) =>
  field.startsWith('-') ? [fieldPath(sdk, field.slice(1)), 'desc'] : [fieldPath(sdk, field)];

/** The clients, by name: each takes a project. */
export const CLIENTS = {
  'server library, gRPC': (project, databaseId) => new Admin('server library, gRPC', project, {}, databaseId),
  'server library, REST': (project, databaseId) =>
    new Admin('server library, REST', project, {preferRest: true}, databaseId),
  'web SDK': (project, databaseId, uid) => new Web('web SDK', web, project, {databaseId, uid}),
  'web SDK lite': (project, databaseId, uid) => new Web('web SDK lite', lite, project, {databaseId, uid}),
};
export {admin, lite, web};

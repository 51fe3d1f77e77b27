// Calls to services; `plugin.toml` asks for `http`.

import { fetch as one, fetchAll as several } from 'gateway:plugin/http@0.1.0';
import { decode, encode, fields, latin1 } from './index.js';

function lower(call) {
  const { url, method = 'GET', headers = {}, body = '', timeout } = typeof call === 'string' ? { url: call } : call;
  return { method, url, headers: fields(headers), body: typeof body === 'string' ? encode(body) : body, timeout };
}

/** A service's answer. */
class Answer {
  constructor({ status, headers, body }) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  header(name) {
    const field = this.headers.find((field) => field.name === name.toLowerCase());
    return field && latin1(field.value);
  }

  text() {
    return decode(this.body);
  }

  json() {
    return JSON.parse(this.text());
  }
}

export function fetch(call) {
  return new Answer(one(lower(call)));
}

export function fetchAll(calls) {
  return several(calls.map(lower)).map((result) => {
    // A result within a list is a value, not something thrown.
    if (result.tag === 'err') return { error: describe(result.val) };
    return { answer: new Answer(result.val) };
  });
}

function describe(error) {
  return error.val === undefined ? error.tag : `${error.tag}: ${error.val}`;
}

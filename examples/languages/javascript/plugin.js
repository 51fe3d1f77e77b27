// The key check in JavaScript: refuses requests without a known key, and names the consumer of the others.

import { get as configuration } from 'gateway:plugin/config@0.1.0';
import { setAttribute } from 'gateway:plugin/exchange@0.1.0';
import { header as readHeader, removeHeader } from 'gateway:plugin/request@0.1.0';

let header = 'x-api-key';
/** @type {[consumer: string, key: string][]} */
let keys = [];

/** Called once for each instance. What is thrown is shown to the person who wrote the configuration. */
export const configure = {
  configure() {
    const config = JSON.parse(configuration());
    if (typeof config.keys !== 'string') throw '`keys` must be text with lines `name:key`';
    const entries = config.keys.split(/[\n,]/).map((entry) => entry.trim()).filter((entry) => entry !== '');
    keys = entries.map(parse);
    if (keys.length === 0) throw '`keys` is empty: nobody could ever be let in';
    header = config.header ?? header;
  },
};

export const onRequest = {
  onRequest() {
    const given = readHeader(header);
    // An absent option is null in QuickJS's bindings and undefined in others.
    const consumer = given == null ? undefined : consumerOf(given);
    if (consumer === undefined) return { tag: 'respond', val: refusal() };
    setAttribute('consumer', consumer);
    removeHeader(header);
    return { tag: 'next' };
  },
};

/** The entry itself may be a key: no error repeats it. */
function parse(entry) {
  const colon = entry.indexOf(':');
  if (colon < 0) throw '`keys`: an entry is not `name:key`';
  const [consumer, key] = [entry.slice(0, colon).trim(), entry.slice(colon + 1).trim()];
  if (consumer === '' || key === '') throw '`keys`: a name or a key is empty';
  return [consumer, key];
}

function consumerOf(given) {
  return keys.filter(([, key]) => same(key, given)).map(([consumer]) => consumer)[0];
}

/** Takes as long for a wrong key as for a right one of the same length. */
function same(key, given) {
  if (key.length !== given.length) return false;
  let difference = 0;
  for (let at = 0; at < key.length; at += 1) difference |= key.charCodeAt(at) ^ given.charCodeAt(at);
  return difference === 0;
}

function refusal() {
  const body = { type: 'about:blank', title: 'Unauthorized', status: 401, detail: 'A valid API key is required.' };
  return {
    status: 401,
    headers: [
      { name: 'content-type', value: ascii('application/problem+json') },
      { name: 'www-authenticate', value: ascii('ApiKey') },
    ],
    body: ascii(JSON.stringify(body)),
  };
}

/** QuickJS has no TextEncoder. */
function ascii(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

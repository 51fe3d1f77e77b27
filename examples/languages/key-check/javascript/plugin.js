// The key check in JavaScript: refuses requests without a known key, and names the consumer of the others.

import { Response, exchange, request } from '@gateway/plugin';

let header = 'x-api-key';
/** @type {[consumer: string, key: string][]} */
let keys = [];

export default {
  configure(config) {
    if (typeof config.keys !== 'string') throw new Error('`keys` must be text with lines `name:key`');
    const entries = config.keys.split(/[\n,]/).map((entry) => entry.trim()).filter((entry) => entry !== '');
    keys = entries.map(parse);
    if (keys.length === 0) throw new Error('`keys` is empty: nobody could ever be let in');
    header = config.header ?? header;
  },

  onRequest() {
    const given = request.header(header);
    const consumer = given === undefined ? undefined : consumerOf(given);
    if (consumer === undefined) {
      return Response.problem(401, 'Unauthorized', 'A valid API key is required.', { 'www-authenticate': 'ApiKey' });
    }
    exchange.setAttribute('consumer', consumer);
    request.removeHeader(header);
  },
};

/** The entry itself may be a key: no error repeats it. */
function parse(entry) {
  const colon = entry.indexOf(':');
  if (colon < 0) throw new Error('`keys`: an entry is not `name:key`');
  const [consumer, key] = [entry.slice(0, colon).trim(), entry.slice(colon + 1).trim()];
  if (consumer === '' || key === '') throw new Error('`keys`: a name or a key is empty');
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

// The aggregator in TypeScript: several services in one answer.

import { type Headers, type Plugin, Response, request } from '@gateway/plugin';
import { fetchAll } from '@gateway/plugin/http';

let parts: [name: string, url: string][] = [];

export default {
  configure(config: { parts: Record<string, string> }) {
    parts = Object.entries(config.parts).sort(([one], [other]) => (one < other ? -1 : 1));
  },

  handle() {
    const path = request.path();
    const results = fetchAll(parts.map(([, url]) => url.replaceAll('{path}', path)));
    const missing: string[] = [];
    const members = parts.map(([name], at) => {
      const answer = results[at]!.answer;
      if (answer?.ok) return `"${name}":${answer.text()}`;
      missing.push(name);
      return `"${name}":null`;
    });
    const headers: Headers = { 'content-type': 'application/json' };
    if (missing.length > 0) headers['x-degraded'] = missing.join(', ');
    return new Response(`{${members.join(',')}}`, { headers });
  },
} satisfies Plugin;

export type Algorithm =
  | 'rs256' | 'rs384' | 'rs512' | 'ps256' | 'ps384' | 'ps512' | 'es256' | 'es384' | 'es512' | 'eddsa' | 'hs256' | 'hs384' | 'hs512';

export function importKeys(keys: string): { id: number; keys: number; refused: string[] };
/** Throws a reason: `{ tag: 'malformed' | 'algorithm' | 'key' | 'signature' | 'failed', val }`. */
export function verifyJws(token: string, keys: number, algorithms: Algorithm[]): { algorithm: Algorithm; typ?: string; payload: Uint8Array };
export function verifyPassword(hash: string, password: string): boolean;

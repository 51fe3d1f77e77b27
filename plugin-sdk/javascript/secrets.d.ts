export function get(name: string): string;

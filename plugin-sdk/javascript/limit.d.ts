export interface Budget {
  key: string;
  algorithm: 'token-bucket' | 'sliding-window' | 'fixed-window' | 'concurrency';
  limit: bigint;
  /** Milliseconds. */
  window: bigint;
  /** What a token bucket holds; 0 stands for `limit`. */
  burst: bigint;
}

export interface Standing {
  allowed: boolean;
  remaining: bigint;
  /** Milliseconds. */
  reset: bigint;
  /** Milliseconds. */
  retryAfter: bigint;
}

/** Takes from every budget, or from none if one has not enough. */
export function take(budgets: Budget[], cost: bigint): Standing[];
/** Takes whether it is there or not. */
export function charge(budget: Budget, cost: bigint): void;

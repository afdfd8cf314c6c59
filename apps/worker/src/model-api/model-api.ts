/** Where agents reach a model, and a key that opens nothing else. */
export interface ModelAccess {
  baseUrl: string;
  apiKey: string;
  /** Ends the key's validity. */
  revoke(): void;
}

export interface ModelApi {
  /** A conversation begun with one kind cannot go on with the other: signed thinking would be refused. */
  kind: 'anthropic' | 'scripted';
  /** Access for one run. */
  grant(): ModelAccess;
  close(): Promise<void>;
}

// Not among @types/pg.
declare module 'pg/lib/utils.js' {
  const utils: {
    /** A parameter as it goes over the wire. */
    prepareValue(value: unknown): string | Buffer | null;
  };
  export default utils;
}

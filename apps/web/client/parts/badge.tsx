/** The status of a session or a job. */
export function Badge({ status }: { status: string }) {
  return <span class={`badge ${status}`}>{status}</span>;
}

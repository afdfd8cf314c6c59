import type { Status } from '@mobvibe/sync';

const LABELS: Record<Status, string> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  closed: 'Closed',
};

/** Whether what is on screen is kept in step. `of`: what, where it is not the whole page. */
export function ConnectionState({ status, of = 'Connection' }: { status: Status; of?: string }) {
  return (
    <span class={`connection ${status}`} role="status">
      <span class="visually-hidden">{of}: </span>
      {LABELS[status]}
    </span>
  );
}

/** What went wrong, said at once; nothing where there is nothing to say. */
export function Alert({ children }: { children: string | undefined }) {
  if (!children) return null;
  return (
    <p class="alert" role="alert">
      {children}
    </p>
  );
}

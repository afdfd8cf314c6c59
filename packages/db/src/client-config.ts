import type { Prisma } from './generated/client.ts';

interface ClientConfig {
  inlineSchema: string;
}

let generated: ClientConfig | undefined;

/**
 * The configuration as it was generated. Prisma keeps what a `configOverride` returns for every client that the
 * process makes afterwards, so each of ours says which one it wants.
 */
export const asGenerated = <Config extends ClientConfig>(config: Config): Config => {
  generated ??= config;
  return generated as Config;
};

/**
 * Prisma sends a value for every column that has a default, and a nested write the user_id of its parent. A user may
 * insert neither: the grants are by column, and user_id comes from auth.uid(). For the client of app teams the schema
 * therefore says that the database makes the defaults, and that a parent is found by its id alone; that both belong
 * to one user is the foreign key's to enforce.
 */
export const leaveDefaultsToDatabase = <Config extends ClientConfig>(config: Config): Config => ({
  ...asGenerated(config),
  inlineSchema: asGenerated(config)
    .inlineSchema.replaceAll(
      /@default\((?!dbgenerated\()(?:"(?:[^"\\]|\\.)*"|\w+(?:\(\))?)\)/g,
      '@default(dbgenerated())',
    )
    .replaceAll(/fields: \[(\w+), userId\], references: \[id, userId\]/g, 'fields: [$1], references: [id]'),
});

/** Options for a client with a configuration of its own: an option that Prisma has, and does not declare. */
export const withConfig = (
  options: Prisma.PrismaClientOptions,
  configOverride: (config: ClientConfig) => ClientConfig,
): Prisma.PrismaClientOptions => Object.assign(options, { __internal: { configOverride } });

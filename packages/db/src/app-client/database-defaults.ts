interface ClientConfig {
  inlineSchema: string;
}

/**
 * Prisma sends a value for every column that has a default, and a nested write the user_id of its parent. A user may
 * insert neither: the grants are by column, and user_id comes from auth.uid(). For the client of app teams the schema
 * therefore says that the database makes the defaults, and that a parent is found by its id alone; that both belong
 * to one user is the foreign key's to enforce.
 */
export const leaveDefaultsToDatabase = <Config extends ClientConfig>(config: Config): Config => ({
  ...config,
  inlineSchema: config.inlineSchema
    .replaceAll(/@default\((?!dbgenerated\()(?:"(?:[^"\\]|\\.)*"|\w+(?:\(\))?)\)/g, '@default(dbgenerated())')
    .replaceAll(/fields: \[(\w+), userId\], references: \[id, userId\]/g, 'fields: [$1], references: [id]'),
});

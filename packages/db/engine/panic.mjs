/** The message of the last Rust panic; the exception itself only says `unreachable`. */
export const panic = { message: 'The schema engine panicked.' };

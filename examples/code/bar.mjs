/** A module beside the step: it is found in the step's own folder. */
export const bar = (count) => "█".repeat(count);

/* Shows that a photo is being read, and switches Restore off meanwhile. */
() => [
  __PROGRESS__,
  { __type__: "update", interactive: false },
]

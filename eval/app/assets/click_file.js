// Downloads the file that an event has just made.
() => setTimeout(() => document.querySelector("#ev-file").click(), 200)

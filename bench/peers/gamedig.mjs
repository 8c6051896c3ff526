// usage: node gamedig.mjs LIST CONCURRENCY
// Asks each HOST:PORT of the list for INFO alone and prints the number of servers found.
import fs from 'node:fs'
import { GameDig } from 'gamedig'

const lines = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n')
let found = 0
let next = 0
async function worker () {
  while (next < lines.length) {
    const [host, port] = lines[next++].split(':')
    try {
      await GameDig.query({
        type: 'protocol-valve', host, port: Number(port), givenPortOnly: true,
        requestPlayers: false, requestRules: false, maxRetries: 1
      })
      found++
    } catch {
      // no answer
    }
  }
}
await Promise.all(Array.from({ length: Number(process.argv[3]) }, worker))
console.log(found)

#!/usr/bin/env node
import { doctor } from './doctor.js'

process.exitCode = doctor(process.argv.includes('--json'))

import { systemDisk } from '../../../src/storage/disk.ts'
import { diskContract } from '../../support/contracts/disk.ts'
import { suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'

const test = suite('system disk')

const make = async () => ({ disk: systemDisk, root: temporaryDirectory('disk') })

diskContract(test, make)

test.run()

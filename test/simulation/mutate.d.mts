export declare const mutantVariable: string

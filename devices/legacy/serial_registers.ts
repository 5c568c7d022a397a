/**
 * The registers of a 16550A and their bits, named as in the data sheet: National Semiconductor
 * PC16550D, "Universal Asynchronous Receiver/Transmitter with FIFOs" (June 1995), section 8.
 *
 * @module
 */

/** Register offsets (table I). DLL and DLM replace RBR/THR and IER while LCR.DLAB is set. */
export const Register = {
  /** Receiver buffer (read). */
  RBR: 0,
  /** Transmitter holding (write). */
  THR: 0,
  /** Divisor latch, low byte. */
  DLL: 0,
  /** Interrupt enable. */
  IER: 1,
  /** Divisor latch, high byte. */
  DLM: 1,
  /** Interrupt identification (read). */
  IIR: 2,
  /** FIFO control (write). */
  FCR: 2,
  /** Line control. */
  LCR: 3,
  /** Modem control. */
  MCR: 4,
  /** Line status. */
  LSR: 5,
  /** Modem status. */
  MSR: 6,
  /** Scratch. */
  SCR: 7,
} as const;

/** How many addresses the chip occupies. */
export const REGISTER_COUNT = 8;

/** Interrupt enable register (8.7). */
export const IER = {
  /** Received data available, and character time-out in FIFO mode. */
  ERBFI: 1 << 0,
  /** Transmitter holding register empty. */
  ETBEI: 1 << 1,
  /** Receiver line status. */
  ELSI: 1 << 2,
  /** Modem status. */
  EDSSI: 1 << 3,
} as const;

/** Interrupt identification register (8.6, table IV), highest priority first. */
export const IIR = {
  /** Receiver line status: an overrun, parity or framing error, or a break. */
  RLS: 0x06,
  /** Received data available: at the trigger level, or one byte without FIFOs. */
  RDA: 0x04,
  /** Character time-out: data below the trigger level, and nothing follows. */
  CTI: 0x0c,
  /** Transmitter holding register empty. */
  THRE: 0x02,
  /** Modem status: an input line has changed. */
  MS: 0x00,
  /** No interrupt is pending. */
  NONE: 0x01,
  /** Both set while the FIFOs are enabled. */
  FIFOS_ENABLED: 0xc0,
} as const;

/** FIFO control register (8.5). */
export const FCR = {
  /** Enables both FIFOs; the other bits are taken only while it is set. */
  ENABLE: 1 << 0,
  /** Clears the receiver FIFO. */
  RCVR_RESET: 1 << 1,
  /** Clears the transmitter FIFO. */
  XMIT_RESET: 1 << 2,
  /** DMA mode select; the RXRDY and TXRDY pins go nowhere on a PC. */
  DMA: 1 << 3,
  /** Where the trigger level is, an index into {@linkcode TRIGGER_LEVELS}. */
  TRIGGER_SHIFT: 6,
} as const;

/** The receiver FIFO's trigger levels in bytes (8.5). */
export const TRIGGER_LEVELS: readonly number[] = [1, 4, 8, 14];

/** The depth of each FIFO in bytes. */
export const FIFO_SIZE = 16;

/** Line control register (8.3). Word length, stop bits, parity and break shape no emulated line. */
export const LCR = {
  /** Divisor latch access bit. */
  DLAB: 1 << 7,
} as const;

/** Modem control register (8.8). */
export const MCR = {
  DTR: 1 << 0,
  RTS: 1 << 1,
  OUT1: 1 << 2,
  /** On a PC, this output connects INTR to the interrupt controller. */
  OUT2: 1 << 3,
  LOOP: 1 << 4,
  /** The bits that exist; the others read 0. */
  ALL: 0x1f,
} as const;

/** Line status register (8.4). */
export const LSR = {
  /** Data ready. */
  DR: 1 << 0,
  /** Overrun error; cleared by reading the register. */
  OE: 1 << 1,
  /** Transmitter holding register (with FIFOs, the transmitter FIFO) empty. */
  THRE: 1 << 5,
  /** Transmitter empty, shift register included. */
  TEMT: 1 << 6,
} as const;

/** Modem status register (8.9). */
export const MSR = {
  DCTS: 1 << 0,
  DDSR: 1 << 1,
  /** Trailing edge of the ring indicator. */
  TERI: 1 << 2,
  DDCD: 1 << 3,
  CTS: 1 << 4,
  DSR: 1 << 5,
  RI: 1 << 6,
  DCD: 1 << 7,
} as const;

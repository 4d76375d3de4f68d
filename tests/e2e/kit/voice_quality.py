"""Wide-band PESQ of two 16 kHz WAV files after alignment: prints one JSON object.

usage: voice_quality.py REFERENCE.wav RECORDED.wav
"""

import json
import sys
import wave

import numpy
from pesq import pesq

RATE = 16000


def read(path):
    with wave.open(path, "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
            raise SystemExit(f"{path}: expected 16-bit mono at {RATE} Hz")
        return numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def delay_of(reference, recorded):
    """Samples by which `recorded` lags behind `reference`: the peak of their cross-correlation, found by FFT."""
    size = 1 << (len(reference) + len(recorded)).bit_length()
    spectrum = numpy.fft.rfft(recorded, size) * numpy.conj(numpy.fft.rfft(reference, size))
    peak = int(numpy.argmax(numpy.fft.irfft(spectrum, size)))
    return peak if peak < size // 2 else peak - size


def aligned(reference, recorded, delay):
    """`recorded` shifted onto `reference`, cut or filled with silence to its length."""
    shifted = recorded[delay:] if delay >= 0 else numpy.pad(recorded, (-delay, 0))
    return numpy.pad(shifted, (0, max(0, len(reference) - len(shifted))))[: len(reference)]


def main():
    reference, recorded = read(sys.argv[1]), read(sys.argv[2])
    delay = delay_of(reference.astype(float), recorded.astype(float))
    score = pesq(RATE, reference, aligned(reference, recorded, delay), "wb")
    print(json.dumps({"pesq": float(score), "delay_ms": delay * 1000 / RATE}))


main()

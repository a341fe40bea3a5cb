package webapi

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math/big"
)

// cryptoAES is aes(mode, decrypt, key, bytes, iv, size, additional data). size is
// AES-GCM's tag or AES-CTR's counter, in bits.
func cryptoAES(a Args) (any, error) {
	decrypt, data, iv, size := a.Int(1) != 0, a.Bytes(3), a.Bytes(4), a.Int(5)
	block, err := aes.NewCipher(a.Bytes(2))
	if err != nil {
		return nil, domError("DataError", "an AES key has 128, 192 or 256 bits")
	}
	switch a.Text(0) {
	case "AES-GCM":
		return aesGCM(block, decrypt, data, iv, a.Bytes(6), size)
	case "AES-CBC":
		return aesCBC(block, decrypt, data, iv)
	case "AES-CTR":
		return aesCTR(block, data, iv, size)
	case "AES-KW":
		return aesKW(block, decrypt, data)
	}
	return nil, domError("NotSupportedError", "the algorithm %q is not supported", clip(a.Text(0)))
}

func aesGCM(block cipher.Block, decrypt bool, data, iv, additional []byte, tag int) (any, error) {
	if len(iv) == 0 {
		return nil, domError("OperationError", "AES-GCM: iv is empty")
	}
	var gcm cipher.AEAD
	var err error
	switch {
	case tag < 96 || tag > 128 || tag%8 != 0:
		return nil, domError("OperationError", "AES-GCM: tagLength must be 96, 104, 112, 120 or 128")
	case tag == 128:
		gcm, err = cipher.NewGCMWithNonceSize(block, len(iv))
	case len(iv) == 12:
		gcm, err = cipher.NewGCMWithTagSize(block, tag/8)
	default:
		return nil, domError("NotSupportedError", "AES-GCM: with a tagLength of %d, iv must have 12 bytes", tag)
	}
	if err != nil {
		return nil, domError("OperationError", "AES-GCM: %v", err)
	}
	if !decrypt {
		return gcm.Seal(nil, iv, data, additional), nil
	}
	plain, err := gcm.Open([]byte{}, iv, data, additional)
	if err != nil {
		return nil, domError("OperationError", "AES-GCM: the data is not what was encrypted with this key, iv and additionalData")
	}
	return plain, nil
}

func aesCBC(block cipher.Block, decrypt bool, data, iv []byte) (any, error) {
	if len(iv) != aes.BlockSize {
		return nil, domError("OperationError", "AES-CBC: iv must have 16 bytes")
	}
	if !decrypt {
		pad := aes.BlockSize - len(data)%aes.BlockSize
		out := append(bytes.Clone(data), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
		return out, nil
	}
	invalid := domError("OperationError", "AES-CBC: the data cannot be decrypted")
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, invalid
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(out[len(out)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, invalid
	}
	return out[:len(out)-pad], nil
}

// aesCTR counts in the last size bits of the counter block only.
func aesCTR(block cipher.Block, data, counter []byte, size int) (any, error) {
	if len(counter) != aes.BlockSize || size < 1 || size > 128 {
		return nil, domError("OperationError", "AES-CTR: counter must have 16 bytes and length be from 1 to 128")
	}
	span := new(big.Int).Lsh(big.NewInt(1), uint(size))
	blocks := big.NewInt(int64((len(data) + aes.BlockSize - 1) / aes.BlockSize))
	if blocks.Cmp(span) > 0 {
		return nil, domError("OperationError", "AES-CTR: the data has more blocks than the counter counts")
	}
	mask := new(big.Int).Sub(span, big.NewInt(1))
	all := new(big.Int).SetBytes(counter)
	left := new(big.Int).Sub(span, new(big.Int).And(all, mask)) // blocks until the counter wraps
	first := len(data)
	if blocks.Cmp(left) > 0 {
		first = int(left.Int64()) * aes.BlockSize
	}
	out := make([]byte, len(data))
	cipher.NewCTR(block, counter).XORKeyStream(out[:first], data[:first])
	if first < len(data) {
		wrapped := new(big.Int).AndNot(all, mask).FillBytes(make([]byte, aes.BlockSize))
		cipher.NewCTR(block, wrapped).XORKeyStream(out[first:], data[first:])
	}
	return out, nil
}

// aesKW is RFC 3394.
func aesKW(block cipher.Block, unwrap bool, data []byte) (any, error) {
	const check = 0xa6a6a6a6a6a6a6a6
	n := len(data) / 8
	if unwrap {
		n--
	}
	if len(data)%8 != 0 || n < 2 {
		return nil, domError("OperationError", "AES-KW: the key's length must be a multiple of 8 bytes, from 16")
	}
	b := make([]byte, 16)
	if !unwrap {
		out := append(binary.BigEndian.AppendUint64(nil, check), data...)
		for t := range 6 * n {
			r := out[8+t%n*8:][:8]
			copy(b, out[:8])
			copy(b[8:], r)
			block.Encrypt(b, b)
			binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b)^uint64(t+1))
			copy(r, b[8:])
		}
		return out, nil
	}
	out := bytes.Clone(data)
	for t := 6*n - 1; t >= 0; t-- {
		r := out[8+t%n*8:][:8]
		binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(out)^uint64(t+1))
		copy(b[8:], r)
		block.Decrypt(b, b)
		copy(out, b[:8])
		copy(r, b[8:])
	}
	if subtle.ConstantTimeCompare(out[:8], binary.BigEndian.AppendUint64(nil, check)) != 1 {
		return nil, domError("OperationError", "AES-KW: the data is not a key that was wrapped with this one")
	}
	return out[8:], nil
}

package targets

var byteOrderMark = []byte("\xef\xbb\xbf")

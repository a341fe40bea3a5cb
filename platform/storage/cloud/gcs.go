//go:build gcs

package cloud

import _ "gocloud.dev/blob/gcsblob" // gs://

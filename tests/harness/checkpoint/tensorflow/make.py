"""Writes the checkpoints of this folder with TensorFlow 2.15.1 (its compat.v1 API): python make.py, in an empty folder.

NAME.expected.npz holds each variable as TensorFlow gave it, and the model's logits for some pixels.
"""

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
PIXELS = (np.random.default_rng(3).random((6, 9)) < 0.4).astype(np.float32)


def logits(cell, raw):
    """A recurrent layer of 5 units, and layers of 4, 3 and 1; `raw` ones are `tf.Variable`s without names."""
    x = v1.placeholder(tf.float32, [None, 9])
    h, _ = v1.nn.dynamic_rnn(cell, x[:, :, None], dtype=tf.float32)
    h = tf.reshape(tf.nn.relu(h), [-1, 5])
    draw = v1.random_normal_initializer(stddev=0.6, seed=5)
    for place, (inputs, outputs) in enumerate(((5, 4), (4, 3), (3, 1))):
        if raw:
            weight = v1.Variable(v1.truncated_normal([inputs, outputs], stddev=0.6, seed=place + 1))
            h = h @ weight + v1.Variable(v1.random_normal([outputs], seed=9 + place))
        else:
            h = v1.layers.dense(h, outputs, kernel_initializer=draw, bias_initializer=draw)
        h = tf.nn.relu(h) if place < 2 else h
    return x, tf.reshape(h, [-1, 9])


def save(name, cell, raw, optimizer=None, slices=None):
    """A checkpoint after two steps of the optimizer; `slices` partitions each variable."""
    with tf.Graph().as_default():
        v1.set_random_seed(7)
        with v1.variable_scope("model" if slices else "", partitioner=slices and v1.fixed_size_partitioner(slices)):
            x, out = logits(cell(5), raw)
        step = v1.train.get_or_create_global_step()
        with v1.Session() as session:
            train = optimizer and optimizer(1e-2).minimize(tf.reduce_mean(out**2), global_step=step)
            session.run(v1.global_variables_initializer())
            for _ in range(2 if optimizer else 0):
                session.run(train, {x: PIXELS})
            v1.train.Saver().save(session, f"./{name}.ckpt", write_meta_graph=False)
            if name == "lstm":
                v1.train.Saver(write_version=1).save(session, "./old.ckpt", write_meta_graph=False)
            values = {variable.op.name: session.run(variable) for variable in v1.global_variables()}
            np.savez_compressed(f"{name}.expected.npz", pixels=PIXELS, logits=session.run(out, {x: PIXELS}), **values)


def save_keras():
    """The weights of a model of tf.keras, in TensorFlow 2's checkpoints of objects."""
    tf.keras.utils.set_random_seed(3)
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            *(layers.LSTM(5, return_sequences=True, input_shape=(9, 1)), layers.ReLU()),
            *(layers.Dense(4, "relu"), layers.Dense(3, "relu"), layers.Dense(1)),
        ]
    )
    model.set_weights([np.random.default_rng(4).normal(0, 0.6, weight.shape) for weight in model.get_weights()])
    model.compile("adam", "mse")
    model.fit(PIXELS[:, :, None], PIXELS[:, :, None], epochs=1, verbose=0)
    model.save_weights("keras2")
    out = model.predict(PIXELS[:, :, None], verbose=0)[:, :, 0]
    np.savez_compressed("keras2.expected.npz", pixels=PIXELS, logits=out)


if __name__ == "__main__":
    save_keras()
    v1.disable_eager_execution()
    save("lstm", v1.nn.rnn_cell.BasicLSTMCell, raw=False, optimizer=v1.train.AdamOptimizer)
    save("gru", v1.nn.rnn_cell.GRUCell, raw=True, optimizer=v1.train.RMSPropOptimizer)
    save("part", v1.nn.rnn_cell.BasicLSTMCell, raw=False, slices=2)
